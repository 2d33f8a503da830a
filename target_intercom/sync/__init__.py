"""One sync, top to bottom: map, match, plan, write, remember, report.

Begin with `contacts`: a batch of a contact stream, step by step. Each step has a module or a few:

- `contact_streams` decides which of the tap's streams are about people.
- **map**: `mapping` makes drafts of records; `schemas` reads what values a property may have, `properties` which there
  are, `names` which of them are the same, `places` which attribute each goes into; `identity` reads identifiers,
  `coercion` values; `attributes` knows the workspace's custom attributes and makes those that are missing.
- **match**: `matching` finds the contacts by searches for many records; `memory` is what the ledger knows of a
  stream's records, by the hashes of `fingerprints`; `recent` what this run wrote and search may not show; `naming`
  finds contacts that bulk jobs made. `whose` decides which contact a record is of.
- **plan**: `playing` plays the records of a batch one after the other, and makes writes of them; `planning` decides
  what a write sends.
- **write**: `writing` by a call each, over the threads of `parallel`; `bulk` by jobs, with `bulk_items` (what a job
  can carry) and `jobs` (how it is sent and judged). `doubt` looks for leads whose creation got no answer. `dry_run`
  and `plan` write down what would be written.
- **remove**, at the end of the pipe: `marks` finds the contacts that marked records mean, `pipe` keeps what the tap
  says of its streams, `removing` decides who goes, and removes them. `archived` brings contacts back to look at them.
- **groups become tags**: `groups` is a groups stream, batch by batch, and the end of the pipe; `joining` makes
  memberships of its records, `waiting` and `spool` keep them until the end, `resolution` finds their contacts.
  `listing` does the same for `tags_property`. `claims` decides what a record means for a contact's tags, `claiming`
  does so for a batch; `tagging` puts tags on and takes them off, `tag_jobs` and `carrying` in bulk; `tags` knows the
  workspace's, `group_names` what is one name.
- `objections` words what speaks against settings, for a run and its check.
"""
