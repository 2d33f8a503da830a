"""The workspace: Intercom's rules on contacts and what belongs to them. It knows nothing of HTTP."""
