"""What two transcripts say: differences, answers to the unknowns, a recording, a report."""
