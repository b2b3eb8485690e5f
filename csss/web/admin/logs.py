"""Routes: what was mailed, and who did what."""

import uuid
from datetime import date, datetime, time, timedelta
from typing import Any

from flask import Response, current_app, flash, request, url_for

from csss.audit import queries as audit_queries
from csss.auth.permissions import Permission
from csss.database import transaction
from csss.errors import StateConflict
from csss.i18n import _
from csss.mail import queries as mail_queries
from csss.mail.models import MailKind, MailState
from csss.mail.owed import send_again
from csss.web.admin import admin
from csss.web.admin.forms import AuditFilter, MailFilter
from csss.web.admin.list_presenters import audit_row, mail_row
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.listing import filters, list_url, page_number, pager, query_string


@admin.get("/mail")
@requires(Permission.ACCOUNT_MANAGE)
def mail_log() -> Response:
    """Every message that was owed to somebody, newest first."""
    return _show_mail()


@admin.post("/mail/<uuid:message_id>/again")
@requires(Permission.ACCOUNT_MANAGE)
def resend_mail(message_id: uuid.UUID) -> Response:
    """Owe a message that was given up once more."""
    try:
        with transaction():
            name = send_again(message_id, by=me()).user.name
    except StateConflict as conflict:
        return _show_mail(status=409, conflict=str(conflict))
    flash(_("The message to %(name)s is sent again.", name=name), "success")
    scan_id = request.args.get("scan", type=uuid.UUID)
    if scan_id is not None:  # it was asked for on the page of a scan
        return redirect_after(url_for(".scan", scan_id=scan_id, _anchor="release"))
    return redirect_after(list_url(".mail_log", filters(but="")))


def _show_mail(*, status: int = 200, conflict: str = "") -> Response:
    form = MailFilter(request.args)
    page = mail_queries.messages(
        kind=MailKind(form.kind.data) if form.kind.data in set(MailKind) else None,
        state=MailState(form.state.data) if form.state.data in set(MailState) else None,
        search=form.q.data or "",
        page=page_number(),
    )
    values: dict[str, Any] = {
        "form": form,
        "rows": [mail_row(message) for message in page.messages],
        "query": query_string(),
        "here": list_url(".mail_log", filters(but="")),
        "conflict": conflict,
        "pager": pager(
            number=page.number,
            size=page.size,
            shown=len(page.messages),
            total=page.total,
            endpoint=".mail_log",
        ),
    }
    return page_or_fragment("admin/mail.html", "admin/_mail.html", status=status, **values)


@admin.get("/audit")
@requires(Permission.AUDIT_READ)
def audit_log() -> Response:
    """Who did what, when and from where, newest first."""
    form = AuditFilter(request.args)
    form.offer_action()
    first, last = form.day_from.data, form.day_to.data
    cut = audit_queries.events(
        action=form.action.data or "",
        person=form.person.data or "",
        subject=form.subject.data or "",
        since=_midnight(first) if first else None,
        until=_midnight(last + timedelta(days=1)) if last and last < date.max else None,
        before=_event_number(request.args.get("before", "")),
    )
    kept = filters(but="before")
    return page_or_fragment(
        "admin/audit.html",
        "admin/_audit.html",
        form=form,
        rows=[audit_row(entry) for entry in cut.entries],
        filtered=bool(kept),
        newest_url=list_url(".audit_log", kept) if "before" in request.args else None,
        older_url=list_url(".audit_log", kept | {"before": str(cut.older)}) if cut.older else None,
    )


def _event_number(text: str) -> int | None:
    """None for what cannot be the number of an event; PostgreSQL's end at 2^63."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _midnight(day: date) -> datetime:
    """When a day begins where the hospital is. The calendar's first day would begin before it, east of Greenwich."""
    return datetime.combine(max(day, date(1, 1, 2)), time.min, tzinfo=current_app.config["CSSS"].zone)
