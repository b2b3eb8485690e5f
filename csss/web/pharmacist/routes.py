"""Routes: a pharmacist adds prescriptions."""

import uuid
from collections.abc import Callable
from typing import Any

from flask import Response, flash, request, url_for

from csss.auth.permissions import Permission
from csss.database import transaction
from csss.errors import Invalid, StateConflict
from csss.prescriptions import queries as prescription_queries
from csss.prescriptions import services
from csss.prescriptions.models import Prescription
from csss.prescriptions.presenters import prescription_view
from csss.reports import queries as report_queries
from csss.scans import policies, queries
from csss.scans.models import Scan
from csss.scans.states import HoldFor
from csss.web.fragments import UNPROCESSABLE, is_htmx, page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.listing import page_number, pager
from csss.web.pharmacist import pharmacist
from csss.web.pharmacist.forms import FilterForm, PrescriptionForm
from csss.web.pharmacist.presenters import asked_for, queue_rows, tag, waits_because
from csss.web.staff_view import history, scan_view


@pharmacist.get("/")
@requires(Permission.SCAN_PRESCRIBE)
def queue() -> Response:
    """The scans that wait for a prescription, and those held for a correction of one."""
    form = FilterForm(request.args)
    page = prescription_queries.queue(
        search=form.q.data or "", sort=form.sort.data or "priority", page=page_number()
    )
    return page_or_fragment(
        "pharmacist/queue.html",
        "pharmacist/_queue.html",
        form=form,
        rows=queue_rows(page.scans),
        filtered=bool(form.q.data),
        pager=pager(number=page.number, size=page.size, shown=len(page.scans), total=page.total),
    )


@pharmacist.get("/scans/<uuid:scan_id>")
@requires(Permission.SCAN_PRESCRIBE)
def scan(scan_id: uuid.UUID) -> Response:
    return _show(scan_id)


@pharmacist.post("/scans/<uuid:scan_id>/complete")
@requires(Permission.SCAN_PRESCRIBE)
def complete(scan_id: uuid.UUID) -> Response:
    """The prescription, which moves the scan on to the administrator."""
    return _submit(
        scan_id, services.complete, "The prescription is complete. The scan now waits for approval."
    )


@pharmacist.post("/scans/<uuid:scan_id>/correct")
@requires(Permission.SCAN_PRESCRIBE)
def correct(scan_id: uuid.UUID) -> Response:
    """A further version of the prescription, when an administrator has asked for one."""
    return _submit(
        scan_id,
        services.correct,
        "The correction is kept as a new version. The administrator looks at it next.",
    )


def _submit(scan_id: uuid.UUID, step: Callable[..., Prescription], done: str) -> Response:
    form = PrescriptionForm.typed(request.form)
    if form.change_lines(request.form):
        return _show(scan_id, form)
    try:
        with transaction():
            step(
                scan_id,
                lines=form.lines,
                none_needed=form.none_needed.data,
                notes=form.notes.data or "",
                by=me(),
            )
    except Invalid as refused:
        form.refuse(refused.errors)
        return _show(scan_id, form, status=UNPROCESSABLE)
    except StateConflict as conflict:
        return _show(scan_id, form, status=409, conflict=str(conflict))
    flash(done, "success")
    return redirect_after(url_for(".scan", scan_id=scan_id))


def _show(
    scan_id: uuid.UUID, form: PrescriptionForm | None = None, *, status: int = 200, conflict: str = ""
) -> Response:
    """The scan with what may be done to it now; `form` holds what was typed."""
    scan = queries.scan_visible_to(me(), scan_id)
    versions = services.versions(scan)
    action = _action(scan)
    typed = form if conflict else None
    if action is None:
        form = None  # shown only to someone who may send it now
    elif form is None:
        form = PrescriptionForm.starting_with(versions[-1] if versions else None)
    values: dict[str, Any] = {
        "scan": scan_view(scan),
        "tag": tag(scan),
        "conflict": conflict,
        "waits_because": None if action or conflict else waits_because(scan),
        "action": action,
        "form": form,
        "typed": typed,  # a refused prescription is shown once more, so that nothing written is lost
        "max_items": services.MAX_ITEMS,
        "hold": asked_for(scan) if action else None,
        "written": [prescription_view(version) for version in versions],
        "events": [] if is_htmx() else history(scan, versions, report_queries.versions(scan)),
    }
    return page_or_fragment("pharmacist/scan.html", "pharmacist/_prescription.html", status=status, **values)


def _action(scan: Scan) -> str | None:
    """Where the form is sent: to complete, to correct, or None when nothing may be sent now."""
    if policies.may(policies.check_can_complete, scan):
        return url_for(".complete", scan_id=scan.id)
    if policies.may(policies.check_can_correct, scan, HoldFor.PHARMACIST):
        return url_for(".correct", scan_id=scan.id)
    return None
