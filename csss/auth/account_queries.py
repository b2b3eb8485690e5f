"""Look up accounts for administrators."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from csss.database import db
from csss.paging import place
from csss.people import search as searching
from csss.people.models import AccountState, User
from csss.people.roles import Role

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
    """List accounts that wait for approval first, then refused, deactivated and active ones, the newest of each
    first.

    `search` matches part of the name or of the e-mail address.
    """
    query = select(User)
    if role is not None:
        query = query.where(User.role == role)
    if state is not None:
        query = query.where(User.state == state)
    words = searching.values(search)
    if words:
        query = query.where(searching.name_or_email())
    number = query.with_only_columns(func.count(), maintain_column_froms=True)
    total: int = db.session.scalar(number, words) or 0
    page, skip = place(page, total, PAGE_SIZE)
    users = db.session.scalars(
        # The state names in descending alphabetical order are exactly this order, so the index provides it.
        query.order_by(User.state.desc(), User.created_at.desc(), User.id).limit(PAGE_SIZE).offset(skip),
        words,
    ).all()
    return AccountPage(users, page, total)
