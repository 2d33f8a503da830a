"""The end of the pipe: which contacts are removed, how many may be, and their removal."""
