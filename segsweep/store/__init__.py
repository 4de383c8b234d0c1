"""The files of runs and sweeps, and the tables read from them. No torch."""
