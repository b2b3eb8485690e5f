"""Run everything on one machine with new demo data."""
