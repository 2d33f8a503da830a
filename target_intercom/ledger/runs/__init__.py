"""What runs write for each other: which streams they work on, which leads they are about to make, what failed."""
