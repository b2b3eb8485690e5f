"""Delete what has expired: unfinished uploads, unsent forms, old sessions, links, counters; and add missing check
values of keys."""

from csss.auth import invitations, password_reset, sessions, unsent
from csss.people import search as searching
from csss.scans.uploads import services as uploads
from csss.throttle import storage as throttle


def clean_up() -> None:
    """Clean up. Safe to run in several processes at once; each part has its own short transactions."""
    uploads.sweep_expired()
    sessions.sweep_expired()
    unsent.sweep_expired()
    password_reset.sweep_expired()
    invitations.sweep_expired()
    throttle.sweep_expired()
    searching.fill_in_now_and_then()
