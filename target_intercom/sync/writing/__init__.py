"""Step 4: contacts are written, one by one or by bulk jobs."""
