"""Signing in: accounts, sessions, passwords and second factors."""
