"""A sync: records in, a workspace out.

`contacts` and `memberships` tell the story of a batch; the rooms are its steps, in the order of the data flow: mapping,
matching, planning, workspace, remembering, writing, linking, removing.
"""
