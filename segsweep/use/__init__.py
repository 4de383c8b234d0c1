"""Using what a sweep has trained: its networks, on other images."""
