"""The kinds of Intercom's objects, as data: what is particular to a kind stands here alone."""
