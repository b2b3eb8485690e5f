"""People: accounts, roles and their permissions, patient records, and search by name."""
