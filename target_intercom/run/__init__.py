"""A run: its life, and the parts that it is put together from."""
