"""Whether the keys of the settings are those of the database; and going over to another secret key."""
