"""Bulk jobs, whatever their items are: how they are sent, and what came of them."""
