"""A sync: records in, a workspace out.

`contacts`, `keyed_objects` (companies) and `memberships` tell the story of a batch, and `end_of_pipe` what follows; the
rooms are their steps, in the order of the data flow: mapping, matching, planning, workspace, remembering, jobs,
writing, linking, removing.
"""
