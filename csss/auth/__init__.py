"""Accounts, sessions, passwords and second factors."""
