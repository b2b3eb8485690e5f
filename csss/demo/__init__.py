"""Everything on one machine with fresh demo data."""
