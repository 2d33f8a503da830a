"""What the ledger knows of the records of a stream, and what it is told."""
