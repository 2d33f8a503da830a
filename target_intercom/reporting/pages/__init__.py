"""The pages that people read: what a run did, and what a dry run would do."""
