"""Which contact a record is of."""
