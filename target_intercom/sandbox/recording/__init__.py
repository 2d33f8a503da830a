"""What the sandbox remembers of calls."""
