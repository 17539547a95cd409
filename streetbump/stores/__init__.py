"""What is kept: the ledger, the trip archive, migrations."""
