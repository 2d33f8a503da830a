"""Step 3: what is written of a batch. Pure."""
