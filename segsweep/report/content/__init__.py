"""What the report shows, as frames and plain values."""
