"""The example tables, and what happens in them."""
