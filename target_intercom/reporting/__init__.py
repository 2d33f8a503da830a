"""What a run tells: its log, progress, summary, metrics and report files."""
