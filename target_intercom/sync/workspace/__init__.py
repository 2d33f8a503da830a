"""What the workspace has: its data attributes and tags."""
