"""A Singer target that loads contacts into Intercom."""
