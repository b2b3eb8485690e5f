"""Routes: work that was given up after many tries, and a way to try it again."""

import uuid
from typing import Any

from flask import Response, flash, url_for

from csss import outbox
from csss.i18n import _
from csss.notices.services import send_again
from csss.people.permissions import Permission
from csss.web.admin.blueprint import admin
from csss.web.admin.logs.job_presenters import job_rows, queue_rows
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.listing import page_number, pager
from csss.web.steps import try_step


@admin.get("/jobs")
@requires(Permission.ACCOUNT_MANAGE)
def jobs() -> Response:
    """The jobs in the queues, and those that were given up, the newest first."""
    return _show()


@admin.post("/jobs/<uuid:job_id>/again")
@requires(Permission.ACCOUNT_MANAGE)
def retry_job(job_id: uuid.UUID) -> Response:
    """Schedule a given-up job again; for mail, the message that it had to send."""

    def again() -> None:
        job = outbox.given_up_job(job_id)
        if job.job == "send_mail":
            send_again(uuid.UUID(job.args[0]), by=me())
        else:
            outbox.try_again(job_id, by=me())

    return try_step(again, _show) or _done(_("The job is tried again."))


@admin.post("/jobs/<uuid:job_id>/aside")
@requires(Permission.ACCOUNT_MANAGE)
def set_job_aside(job_id: uuid.UUID) -> Response:
    """Set aside a given-up job that is no longer needed, so that the list and the alarm no longer show it."""
    refused = try_step(lambda: outbox.set_aside(job_id, by=me()), _show)
    return refused or _done(_("The job will not be tried again."))


def _done(sentence: str) -> Response:
    flash(sentence, "success")
    return redirect_after(url_for(".jobs"))


def _show(status: int = 200, conflict: str | None = None) -> Response:
    page = outbox.given_up(page_number())
    values: dict[str, Any] = {
        "conflict": conflict,
        "queues": queue_rows(outbox.backlog()),
        "rows": job_rows(page.rows),
        "pager": pager(page, ".jobs"),
    }
    return page_or_fragment("admin/jobs.html", "admin/_jobs.html", status=status, **values)
