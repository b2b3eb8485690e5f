"""Look up the people who work in the hospital."""

import uuid
from collections.abc import Sequence

from sqlalchemy import select

from csss.database import db
from csss.people.models import AccountState, User
from csss.people.roles import Role


def active_doctors() -> Sequence[tuple[uuid.UUID, str]]:
    """The id and the name of each doctor who can sign in, by name."""
    query = select(User.id, User.name).where(User.role == Role.DOCTOR, User.state == AccountState.ACTIVE)
    return [(id_, name) for id_, name in db.session.execute(query.order_by(User.name, User.id))]


def doctor_name(user_id: uuid.UUID) -> str | None:
    """The name of this doctor, also of one who has left; None when there is no such doctor."""
    return db.session.scalar(select(User.name).where(User.id == user_id, User.role == Role.DOCTOR))


def active(*roles: Role) -> Sequence[User]:
    """Everybody of these roles who can sign in."""
    query = select(User).where(User.role.in_(roles), User.state == AccountState.ACTIVE)
    return db.session.scalars(query.order_by(User.id)).all()
