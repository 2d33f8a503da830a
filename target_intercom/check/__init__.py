"""A look at the workspace, the settings and the ledger before the first run: reads, and writes nothing."""
