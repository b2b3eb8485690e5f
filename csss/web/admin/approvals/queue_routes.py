"""Routes: the lists of waiting and of released reports."""

from typing import Any

from flask import Response, request

from csss.paging import ListPage
from csss.people.permissions import Permission
from csss.reports import approvals
from csss.watch.alarms import unseen
from csss.web.admin.approvals.forms import QueueFilter
from csss.web.admin.approvals.queue_presenters import delivery_tag, waiting_rows
from csss.web.admin.blueprint import admin
from csss.web.admin.figures.watch_plots import alarm_views
from csss.web.critical import critical_notices
from csss.web.fragments import is_htmx, page_or_fragment
from csss.web.guard import me, requires
from csss.web.listing import filters, list_url, page_number, pager
from csss.web.live_region.rows import rendered_once


@admin.get("/")
@requires(Permission.REPORT_APPROVE)
def queue() -> Response:
    """The reports that wait for approval or are on hold; with `show=released` the released ones, newest first."""
    return show_queue()


def show_queue(*, status: int = 200, refused: str | None = None) -> Response:
    """Show the filtered list; `refused` says why the ticked reports could not be accepted."""
    form = QueueFilter(request.args)
    search, number = form.q.data or "", page_number()
    values: dict[str, Any] = {
        "form": form,
        "filtered": bool(search),
        "here": list_url(".queue", filters(but="")),
        "refused": refused,
        "waiting": [],
        "may_approve": False,
        "released": [],
        "delivery_tag": delivery_tag,
        "critical": [] if is_htmx() else critical_notices(),
        "alarms": alarm_views(unseen()) if me().may(Permission.MODEL_WATCH) else [],
    }
    page: ListPage[Any]
    if request.args.get("show") == "released":
        page = approvals.released(search=search, page=number)
        values |= {"show": "released", "released": page.rows}
    else:
        page = approvals.waiting(search=search, page=number)
        rows = waiting_rows(page.rows, request.form.getlist("scan"))
        values |= {"show": "waiting", "waiting": rendered_once("admin/_waiting_row.html", rows)}
        values["may_approve"] = any(row.may_approve for row in rows)
    values["pager"] = pager(page, ".queue")
    return page_or_fragment("admin/queue.html", "admin/_queue.html", status=status, **values)
