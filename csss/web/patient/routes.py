"""Routes: A patient uploads a scan, follows it and fetches the report."""
