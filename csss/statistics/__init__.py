"""Statistics on the whole clinic's work: the database counts, and no figure identifies a person."""
