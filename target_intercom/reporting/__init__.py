"""The log, progress, summary, metrics and report files of a run."""
