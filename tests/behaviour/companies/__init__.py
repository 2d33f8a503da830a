"""Companies, and who works there."""
