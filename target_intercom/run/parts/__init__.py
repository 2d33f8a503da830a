"""The parts of a run, and which part gets which others: the only room that knows them all."""
