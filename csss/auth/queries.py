"""Looking accounts up, for administrators."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select

from csss.auth.models import AccountState, User
from csss.auth.roles import Role
from csss.database import db

PAGE_SIZE = 25


@dataclass(frozen=True)
class AccountPage:
    """One page of accounts. `number` counts from 1."""

    users: Sequence[User]
    number: int
    total: int
    size: int = PAGE_SIZE


def accounts(
    *, role: Role | None = None, state: AccountState | None = None, search: str = "", page: int = 1
) -> AccountPage:
    """Those that wait for approval first, then refused, deactivated and active ones, the newest of each first.

    `search` finds part of the name or of the e-mail address.
    """
    query = select(User)
    if role is not None:
        query = query.where(User.role == role)
    if state is not None:
        query = query.where(User.state == state)
    if search.strip():
        text = search.strip().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        query = query.where(
            or_(User.name.ilike(f"%{text}%", escape="\\"), User.email.like(f"%{text.lower()}%", escape="\\"))
        )
    total: int = db.session.scalar(query.with_only_columns(func.count(), maintain_column_froms=True)) or 0
    page = min(max(1, page), max(1, -(-total // PAGE_SIZE)))  # there is always a last page
    users = db.session.scalars(
        # The words of the states, read backwards, stand in just this order, so the index gives it.
        query.order_by(User.state.desc(), User.created_at.desc(), User.id)
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
    ).all()
    return AccountPage(users, page, total)
