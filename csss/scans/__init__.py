"""Scans from intake to release: states, analysis, reading, queries and storage."""
