"""Contacts are written, one by one or by bulk jobs, or into the plan of a dry run."""
