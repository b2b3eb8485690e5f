"""Find the active sessions for all streams of a process at once, on a connection that is returned immediately."""

import uuid
from collections.abc import Callable
from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from csss.auth.models import UserSession
from csss.clock import now
from csss.database import db
from csss.people.models import AccountState, User


def alive_in(app: Flask) -> Callable[[frozenset[uuid.UUID]], set[uuid.UUID]]:
    """Make a function for the hub: of the given sessions, those that are still signed in, by the guard's rules."""
    idle = timedelta(minutes=app.config["CSSS"].session_minutes)
    longest = timedelta(hours=app.config["CSSS"].session_hours)

    def alive(sessions: frozenset[uuid.UUID]) -> set[uuid.UUID]:
        with app.app_context():
            found = db.session.scalars(
                select(UserSession.id)
                .join(User, User.id == UserSession.user_id)
                .where(
                    UserSession.id.in_(sessions),
                    UserSession.complete,
                    UserSession.ended_at.is_(None),
                    UserSession.last_used_at > now() - idle,
                    UserSession.created_at > now() - longest,
                    User.state == AccountState.ACTIVE,
                )
            )
            return set(found)

    return alive
