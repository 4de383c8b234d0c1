"""What segsweep knows of each of Hydra's launchers: one file each, named as on the command line."""
