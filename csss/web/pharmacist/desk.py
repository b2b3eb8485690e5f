"""Routes: drafts of unsigned prescriptions, and what has been completed: to be printed again or taken back."""

import uuid

from flask import Response, flash, render_template, request, url_for

from csss import clock
from csss.database import transaction
from csss.i18n import gettext as _
from csss.people.permissions import Permission
from csss.prescriptions import drafts, services
from csss.prescriptions import queries as prescription_queries
from csss.prescriptions.fact_models import PrescriptionDraft
from csss.prescriptions.presenters import prescription_view
from csss.scans import queries
from csss.web.filters import day, when
from csss.web.fragments import is_htmx, page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.listing import page_number, pager
from csss.web.pharmacist.blueprint import pharmacist
from csss.web.pharmacist.forms import PrescriptionForm
from csss.web.pharmacist.presenters import completed_rows
from csss.web.staff_view import patient_facts, scan_view
from csss.web.steps import CONFLICT, try_step
from csss.web.unsent import comes_back_on


def draft_saved(draft: PrescriptionDraft) -> str:
    """When the draft was kept: the time alone today, else with the day."""
    moment, today = when(draft.saved_at), day(clock.now())
    return _("Draft saved %(when)s", when=moment.removeprefix(f"{today}, "))


@pharmacist.post("/scans/<uuid:scan_id>/draft")
@requires(Permission.SCAN_PRESCRIBE)
@comes_back_on("pharmacist.scan")
def save_draft(scan_id: uuid.UUID) -> Response:
    """Keep what has been typed. htmx sends it while typing and gets the words about it; a browser gets the page."""
    queries.scan_visible_to(me(), scan_id)
    form = PrescriptionForm.typed(request.form)
    words = ""

    def save() -> None:
        nonlocal words
        draft = drafts.save(
            scan_id, lines=form.lines, none_needed=form.none_needed.data, notes=form.notes.data or "", by=me()
        )
        words = draft_saved(draft) if draft is not None else ""

    refused = try_step(save, _refused)
    if refused is not None:
        return refused
    if is_htmx():
        return _words(200, words)
    flash(words or _("There was nothing to keep."), "success")
    return redirect_after(url_for(".scan", scan_id=scan_id))


def _refused(status: int, why: str | None) -> Response:
    return _words(status, _("Not kept: %(why)s", why=why) if status == CONFLICT else why or "")


def _words(status: int, words: str) -> Response:
    response = Response(render_template("doctor/_draft.html", saved=words, refused=status != 200), status)
    response.vary.add("HX-Request")
    return response


@pharmacist.post("/scans/<uuid:scan_id>/draft/discard")
@requires(Permission.SCAN_PRESCRIBE)
def discard_draft(scan_id: uuid.UUID) -> Response:
    queries.scan_visible_to(me(), scan_id)
    with transaction():
        drafts.discard(scan_id, by=me())
    flash(_("The draft has been discarded."), "success")
    return redirect_after(url_for(".scan", scan_id=scan_id))


@pharmacist.get("/completed")
@requires(Permission.SCAN_PRESCRIBE)
def completed() -> Response:
    """What the pharmacists have completed, newest first."""
    page = prescription_queries.completed(page=page_number())
    return page_or_fragment(
        "pharmacist/completed.html",
        "pharmacist/_completed.html",
        rows=completed_rows(page.rows),
        pager=pager(page, "pharmacist.completed"),
    )


@pharmacist.get("/scans/<uuid:scan_id>/print")
@requires(Permission.SCAN_PRESCRIBE)
def printout(scan_id: uuid.UUID) -> Response:
    """The prescription alone, for paper."""
    scan = queries.scan_visible_to(me(), scan_id)
    versions = services.versions(scan)
    return page_or_fragment(
        "pharmacist/print.html",
        "pharmacist/_print.html",
        scan=scan_view(scan, patient_facts(scan)),
        written=prescription_view(versions[-1]) if versions else None,
    )


@pharmacist.post("/scans/<uuid:scan_id>/recall")
@requires(Permission.SCAN_PRESCRIBE)
def recall(scan_id: uuid.UUID) -> Response:
    """Take a completed prescription back, until an administrator has approved it."""
    queries.scan_visible_to(me(), scan_id)
    told: list[str] = []

    def refused(_status: int, sentence: str | None) -> Response:
        told.append(sentence or "")
        flash(told[0], "warning")
        return redirect_after(url_for(".scan", scan_id=scan_id))

    answer = try_step(lambda: services.recall(scan_id, by=me()), refused)
    if answer is not None:
        return answer
    flash(
        _("The prescription is with you again. It is not approved before you keep a correction."), "success"
    )
    return redirect_after(url_for(".scan", scan_id=scan_id))
