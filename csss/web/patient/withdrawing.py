"""Route: a patient withdraws a scan that no doctor has opened."""

import uuid

from flask import Response, flash, url_for

from csss.i18n import _
from csss.people.permissions import Permission
from csss.scans import queries, withdrawing
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.patient import presenters
from csss.web.patient.blueprint import patient
from csss.web.steps import try_step


@patient.post("/scans/<uuid:scan_id>/withdraw")
@requires(Permission.SCAN_UPLOAD)
def withdraw(scan_id: uuid.UUID) -> Response:
    """Withdraw the scan, or show why that is not possible any more."""
    queries.scan_visible_to(me(), scan_id)
    refused = try_step(
        lambda: withdrawing.withdraw(scan_id, by=me()),
        lambda status, sentence: _show(scan_id, status, sentence),
    )
    if refused is not None:
        return refused
    flash(_("The scan has been withdrawn. No doctor has seen it."), "success")
    return redirect_after(url_for("patient.scan", scan_id=scan_id))


def _show(scan_id: uuid.UUID, status: int, conflict: str | None) -> Response:
    scan = presenters.scan_page(queries.scan_visible_to(me(), scan_id))
    return page_or_fragment("patient/scan.html", "patient/_scan.html", status, scan=scan, conflict=conflict)
