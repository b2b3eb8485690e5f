"""All that knows HTTP: one blueprint per role, and what they share."""
