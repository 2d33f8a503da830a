"""Memberships: which links of contacts records want, and which of them this target put on."""
