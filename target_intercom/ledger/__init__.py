"""The target's memory between runs: which record is which contact, and what was last written to it."""
