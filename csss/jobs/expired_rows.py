"""Removing what is over: unfinished uploads, forms nobody came back for, old sessions, links, counters; adding what is
missing."""

from csss.auth import password_reset, sessions, unsent
from csss.people import search as searching
from csss.scans.uploads import services as uploads
from csss.throttle import storage as throttle


def clean_up() -> None:
    """Any number of processes may; each part has short transactions of its own."""
    uploads.sweep_expired()
    sessions.sweep_expired()
    unsent.sweep_expired()
    password_reset.sweep_expired()
    throttle.sweep_expired()
    searching.fill_in_now_and_then()
