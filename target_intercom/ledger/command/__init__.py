"""What `python -m target_intercom.ledger` shows and does."""
