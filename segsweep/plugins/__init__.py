"""What Hydra knows of segsweep: sweeper, launcher, callback."""
