"""Count attempts in a store that all processes share: Redis, or the database while Redis is down."""
