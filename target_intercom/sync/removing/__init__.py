"""Removals, at the end of the pipe: which contacts go, how many may, and their removal.

Begin with `removals`, the story. `marked` holds the records that are marked as deleted, `refused` those that could not
be loaded, `complete_streams` tells which streams delivered their complete table, `still_named` which records keep a
contact, `missing` which contacts are in no record any more; `limit` is the fuse, `remover` does it.
"""
