"""Counting tries in a store that all processes share: Redis, and the database while Redis is down."""
