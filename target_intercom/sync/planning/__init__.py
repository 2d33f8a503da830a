"""What is written of a batch. Pure."""
