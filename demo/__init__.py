"""From PostgreSQL through Meltano and target-intercom into a sandbox workspace, on this machine alone."""
