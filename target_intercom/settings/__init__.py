"""The settings: where they come from, what they mean, what is wrong with them."""
