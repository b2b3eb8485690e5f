"""Look up accounts for administrators."""

from sqlalchemy import select

from csss.paging import ListPage, page_of
from csss.people import search as searching
from csss.people.models import AccountState, User
from csss.people.roles import Role

PAGE_SIZE = 25


def accounts(
    *, role: Role | None = None, state: AccountState | None = None, search: str = "", page: int = 1
) -> ListPage[User]:
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
    # The state names in descending alphabetical order are exactly this order, so the index provides it.
    query = query.order_by(User.state.desc(), User.created_at.desc(), User.id)
    return page_of(query, page, PAGE_SIZE, words)
