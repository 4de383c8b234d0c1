"""What runs and sweeps keep on disk, and the tables read from it. No torch."""
