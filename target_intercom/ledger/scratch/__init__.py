"""What lasts as long as one run: copies of ledgers, and dictionaries on disk."""
