"""Routes: the list of what waits for approval, and of what has been released."""

from typing import Any

from flask import (
    Response,
    request,
)

from csss.people.permissions import Permission
from csss.reports import approvals
from csss.web.admin.approvals.forms import QueueFilter
from csss.web.admin.approvals.queue_presenters import released_rows, waiting_rows
from csss.web.admin.blueprint import admin
from csss.web.fragments import page_or_fragment
from csss.web.guard import requires
from csss.web.listing import filters, list_url, page_number, pager
from csss.web.live_region.rows import rendered_once


@admin.get("/")
@requires(Permission.REPORT_APPROVE)
def queue() -> Response:
    """What waits for approval or is on hold; with `show=released` what has been released, newest first."""
    return show_queue()


def show_queue(*, status: int = 200, refused: str | None = None) -> Response:
    """The list as it is filtered; `refused` says why the ticked reports could not be taken."""
    form = QueueFilter(request.args)
    search, number = form.q.data or "", page_number()
    values: dict[str, Any] = {"form": form, "filtered": bool(search), "waiting": [], "released": []}
    values["may_approve"] = False
    values["show"] = "released" if request.args.get("show") == "released" else "waiting"
    if values["show"] == "released":
        releases = approvals.released(search=search, page=number)
        values["released"] = released_rows(releases.releases)
        size, total = releases.size, releases.total
    else:
        scans = approvals.waiting(search=search, page=number)
        rows = waiting_rows(scans.scans, request.form.getlist("scan"))
        values["waiting"] = rendered_once("admin/_waiting_row.html", rows)
        values["may_approve"] = any(row.may_approve for row in rows)
        size, total = scans.size, scans.total
    shown = len(values["waiting"]) + len(values["released"])
    values["pager"] = pager(number=number, size=size, shown=shown, total=total, endpoint=".queue")
    values["here"] = list_url(".queue", filters(but=""))
    values["refused"] = refused
    return page_or_fragment("admin/queue.html", "admin/_queue.html", status=status, **values)
