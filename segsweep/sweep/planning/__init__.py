"""What a command will do, and what it will cost."""
