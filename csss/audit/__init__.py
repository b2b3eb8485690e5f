"""The audit log: who did what, when and from where. Services write it; only administrators read it."""
