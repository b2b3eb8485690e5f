"""Look up messages for administrators."""

from sqlalchemy import select

from csss.database import db
from csss.notices.models import MailKind, MailMessage, MailState
from csss.paging import ListPage, page_of
from csss.people import search as searching

PAGE_SIZE = 50


def messages(
    *, kind: MailKind | None = None, state: MailState | None = None, search: str = "", page: int = 1
) -> ListPage[MailMessage]:
    """List messages, newest first. `search` matches part of the recipient's name or address."""
    query = select(MailMessage.id)
    if kind is not None:
        query = query.where(MailMessage.kind == kind)
    if state is not None:
        query = query.where(MailMessage.state == state)
    words = searching.values(search)
    if words:
        query = query.where(MailMessage.user_id.in_(searching.accounts()))
    # First the ids, from an index alone; then only this page is loaded.
    ids = page_of(query.order_by(MailMessage.created_at.desc(), MailMessage.id), page, PAGE_SIZE, words)
    whole = db.session.scalars(select(MailMessage).where(MailMessage.id.in_(ids.rows)))
    found = {message.id: message for message in whole}
    return ids.with_rows([found[each] for each in ids.rows])
