"""Looking messages up, for administrators."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select

from csss.auth.models import User
from csss.database import db
from csss.mail.models import MailKind, MailMessage, MailState

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
    """The newest first. `search` finds part of the name or of the address of the person it is for."""
    query = select(MailMessage)
    if kind is not None:
        query = query.where(MailMessage.kind == kind)
    if state is not None:
        query = query.where(MailMessage.state == state)
    if search.strip():
        text = search.strip().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        query = query.where(
            MailMessage.user_id.in_(
                select(User.id).where(
                    or_(
                        User.name.ilike(f"%{text}%", escape="\\"),
                        User.email.like(f"%{text.lower()}%", escape="\\"),
                    )
                )
            )
        )
    total: int = db.session.scalar(query.with_only_columns(func.count(), maintain_column_froms=True)) or 0
    page = min(max(1, page), max(1, -(-total // PAGE_SIZE)))  # there is always a last page
    ids = db.session.scalars(
        # The ids first, from an index alone; then only this page is read whole.
        query.with_only_columns(MailMessage.id)
        .order_by(MailMessage.created_at.desc(), MailMessage.id)
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
    ).all()
    found = {
        message.id: message
        for message in db.session.scalars(select(MailMessage).where(MailMessage.id.in_(ids)))
    }
    return MailPage([found[each] for each in ids], page, total)
