"""Calls that only read, and a plan of what a run would write."""
