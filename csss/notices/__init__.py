"""Decide what is told to whom, and when; `channels` deliver it."""
