"""Check that the keys in the settings are the database's keys, and change the secret key."""
