"""A scan and its life: intake, states, analysis, reading, queries, storage."""
