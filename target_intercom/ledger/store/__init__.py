"""The database of the ledger: tables, migrations, locks and connections."""
