"""Bulk jobs, whatever their items are."""
