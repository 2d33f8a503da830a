"""Step 2: which contact a record is of."""
