"""Contacts are written, one by one or by bulk jobs."""
