"""Look up messages for administrators."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from csss.database import db
from csss.notices.models import MailKind, MailMessage, MailState
from csss.paging import place
from csss.people import search as searching

PAGE_SIZE = 50


@dataclass(frozen=True)
class MailPage:
    """One page of messages. `number` counts from 1."""

    messages: Sequence[MailMessage]
    number: int
    total: int
    size: int = PAGE_SIZE


def messages(
    *, kind: MailKind | None = None, state: MailState | None = None, search: str = "", page: int = 1
) -> MailPage:
    """List messages, newest first. `search` matches part of the recipient's name or address."""
    query = select(MailMessage)
    if kind is not None:
        query = query.where(MailMessage.kind == kind)
    if state is not None:
        query = query.where(MailMessage.state == state)
    words = searching.values(search)
    if words:
        query = query.where(MailMessage.user_id.in_(searching.accounts()))
    number = query.with_only_columns(func.count(), maintain_column_froms=True)
    total: int = db.session.scalar(number, words) or 0
    page, skip = place(page, total, PAGE_SIZE)
    ids = db.session.scalars(
        # First the ids, from an index alone; then only this page is loaded.
        query.with_only_columns(MailMessage.id)
        .order_by(MailMessage.created_at.desc(), MailMessage.id)
        .limit(PAGE_SIZE)
        .offset(skip),
        words,
    ).all()
    found = {
        message.id: message
        for message in db.session.scalars(select(MailMessage).where(MailMessage.id.in_(ids)))
    }
    return MailPage([found[each] for each in ids], page, total)
