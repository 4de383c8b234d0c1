"""A file for each of Hydra's launchers, named as on the command line, that describes its jobs."""
