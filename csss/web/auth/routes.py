"""Routes: Signing in and out, registering, confirming an address."""
