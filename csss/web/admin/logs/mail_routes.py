"""Routes: the messages to people, and sending one again."""

import uuid
from typing import Any

from flask import Response, flash, request, url_for

from csss.i18n import _
from csss.notices import queries as mail_queries
from csss.notices.models import MailKind, MailState
from csss.notices.services import send_again
from csss.people.permissions import Permission
from csss.records.recipients import without_account
from csss.web.admin.blueprint import admin
from csss.web.admin.logs.forms import MailFilter
from csss.web.admin.logs.mail_presenters import mail_row
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.listing import filters, list_url, page_number, pager, query_string
from csss.web.steps import try_step


@admin.get("/mail")
@requires(Permission.ACCOUNT_MANAGE)
def mail_log() -> Response:
    """Every message that had to be sent, newest first."""
    return _show_mail()


@admin.post("/mail/<uuid:message_id>/again")
@requires(Permission.ACCOUNT_MANAGE)
def resend_mail(message_id: uuid.UUID) -> Response:
    """Schedule a message that was given up again."""
    names: list[str] = []

    def step() -> None:
        message = send_again(message_id, by=me())
        recipient = without_account([message]).get(message.subject_id)
        names.append(recipient[0] if recipient is not None else message.user.name)

    refused = try_step(step, _show_mail)
    if refused is not None:
        return refused
    flash(_("The message to %(name)s is sent again.", name=names[0]), "success")
    scan_id = request.args.get("scan", type=uuid.UUID)
    if scan_id is not None:  # it was asked for on the page of a scan
        return redirect_after(url_for(".scan", scan_id=scan_id, _anchor="release"))
    return redirect_after(list_url(".mail_log", filters(but="")))


def _show_mail(status: int = 200, conflict: str | None = None) -> Response:
    form = MailFilter(request.args)
    page = mail_queries.messages(
        kind=MailKind(form.kind.data) if form.kind.data in set(MailKind) else None,
        state=MailState(form.state.data) if form.state.data in set(MailState) else None,
        search=form.q.data or "",
        page=page_number(),
    )
    recipients = without_account(page.rows)
    values: dict[str, Any] = {
        "form": form,
        "rows": [mail_row(message, recipients) for message in page.rows],
        "query": query_string(),
        "here": list_url(".mail_log", filters(but="")),
        "conflict": conflict,
        "pager": pager(page, ".mail_log"),
    }
    return page_or_fragment("admin/mail.html", "admin/_mail.html", status=status, **values)
