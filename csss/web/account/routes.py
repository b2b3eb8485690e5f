"""Routes: What everybody may change of their own account."""
