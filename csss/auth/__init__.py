"""People: accounts, roles, permissions, sessions, second factors."""
