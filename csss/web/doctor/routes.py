"""Routes: A doctor works through the worklist."""

from flask import Response, request

from csss.auth.permissions import Permission
from csss.web.doctor import doctor, worklist
from csss.web.doctor.forms import FilterForm
from csss.web.fragments import page_or_fragment
from csss.web.guard import requires
from csss.web.listing import pager


@doctor.get("/", endpoint="worklist")
@requires(Permission.SCAN_REVIEW)
def show_worklist() -> Response:
    """The scans a doctor has to act on; with filters any open scan."""
    asked = worklist.Asked.now()
    page = worklist.scans_asked_for(asked)
    return page_or_fragment(
        "doctor/worklist.html",
        "doctor/_worklist.html",
        asked=asked,
        form=FilterForm(data={"q": asked.q, "sort": asked.sort}),
        tabs=worklist.tabs(asked),
        rows=worklist.rows(page.scans),
        running=worklist.running(page.scans),
        here=request.full_path.rstrip("?"),
        back=request.query_string.decode("utf-8", "replace"),
        pager=pager(number=page.number, size=page.size, shown=len(page.scans), total=page.total),
    )
