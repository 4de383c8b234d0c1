"""The plugins that Hydra loads: sweeper, launcher, callback."""
