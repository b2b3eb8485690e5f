"""Routes: an administrator looks at one scan, approves its report, or asks for a correction."""

import uuid
from collections.abc import Callable
from typing import Any

from flask import Response, abort, flash, make_response, render_template, request, url_for

from csss.auth import second_factor_tries
from csss.auth.models import CodePurpose
from csss.auth.passkeys import services as passkeys
from csss.errors import NotFound
from csss.i18n import _
from csss.people.permissions import Permission
from csss.prescriptions import services as prescriptions
from csss.prescriptions.presenters import prescription_view
from csss.reports import batches, lettering, services
from csss.reports import queries as report_queries
from csss.scans import policies, queries
from csss.scans.states import HoldFor
from csss.web.admin.approvals.batch_presenters import disagreement
from csss.web.admin.approvals.changes import prescription_changes, reading_changes
from csss.web.admin.approvals.evidence import evidence
from csss.web.admin.approvals.forms import ApproveForm, HoldForm
from csss.web.admin.approvals.queue_presenters import tag
from csss.web.admin.approvals.release_presenters import release_view
from csss.web.admin.approvals.scan_presenters import hold_view, waits_because
from csss.web.admin.blueprint import admin
from csss.web.admin.mailed_code import code_region, second_factor
from csss.web.critical import critical_of
from csss.web.fragments import is_htmx, page_or_fragment, redirect_after
from csss.web.guard import me, requires, user_session
from csss.web.passkeys import question, second_factor_shown
from csss.web.staff_view import history, patient_facts, scan_view
from csss.web.steps import CONFLICT, try_step
from csss.web.unsent import comes_back_on, typed_before


@admin.get("/scans/<uuid:scan_id>")
@requires(Permission.REPORT_APPROVE)
def scan(scan_id: uuid.UUID) -> Response:
    sent = typed_before("admin.hold")
    return _show(
        scan_id, sent=HoldForm(sent) if sent is not None else None, code_asked="code" in request.args
    )


@admin.post("/scans/<uuid:scan_id>/code")
@requires(Permission.REPORT_APPROVE)
def send_code(scan_id: uuid.UUID) -> Response:
    """Send the administrator a one-time code for this scan only."""

    def send() -> None:
        scan = queries.scan_visible_to(me(), scan_id)
        services.check_can_release(scan, by=me())
        second_factor_tries.request_approval_code(user_session(), scan.id)

    refused = _take_step(scan_id, send, ApproveForm())
    if refused is not None:
        return refused
    if is_htmx():
        return _show(scan_id, code_asked=True)
    return redirect_after(url_for(".scan", scan_id=scan_id, code="asked"))


@admin.post("/scans/<uuid:scan_id>/passkey")
@requires(Permission.REPORT_APPROVE)
def passkey_question(scan_id: uuid.UUID) -> Response:
    """The passkey request for the browser, for approving this scan only."""

    def make() -> str:
        scan = queries.scan_visible_to(me(), scan_id)
        services.check_can_release(scan, by=me())
        return passkeys.ask(user_session(), CodePurpose.APPROVAL, scan.id)

    return question(make)


@admin.post("/scans/<uuid:scan_id>/approve")
@requires(Permission.REPORT_APPROVE)
def approve(scan_id: uuid.UUID) -> Response:
    """Release the report with a one-time code or a passkey."""
    form = ApproveForm(request.form)

    def release() -> None:  # a wrong code is kept, too: it counts
        services.approve_as_seen(
            scan_id,
            seen=request.form.get("seen", ""),
            second_factor=lambda: second_factor_shown(CodePurpose.APPROVAL, scan_id, form.code.data or ""),
            by=me(),
        )

    return _take_step(scan_id, release, form) or _done(scan_id, _released(scan_id))


def _released(scan_id: uuid.UUID) -> str:
    if queries.scan_visible_to(me(), scan_id).patient.user is None:
        return _("The report is released. Once it is made, print it here and hand it over.")
    return _("The report is released. It is made now and then mailed to the patient.")


@admin.post("/scans/<uuid:scan_id>/hold")
@requires(Permission.REPORT_APPROVE)
@comes_back_on("admin.scan")
def hold(scan_id: uuid.UUID) -> Response:
    """Ask the doctor or the pharmacist for a correction before release."""
    form = HoldForm(request.form)
    to = HoldFor(form.to.data) if form.to.data in set(HoldFor) else None
    refused = _take_step(
        scan_id, lambda: services.hold(scan_id, to=to, note=form.note.data or "", by=me()), form
    )
    if to is HoldFor.DOCTOR:
        told = _("The scan is on hold. The doctor sees your note.")
    else:
        told = _("The scan is on hold. The pharmacist sees your note.")
    return refused or _done(scan_id, told)


@admin.post("/scans/<uuid:scan_id>/lift")
@requires(Permission.REPORT_APPROVE)
def lift(scan_id: uuid.UUID) -> Response:
    refused = _take_step(scan_id, lambda: services.lift(scan_id, by=me()))
    return refused or _done(scan_id, _("The hold is lifted."))


def _take_step(
    scan_id: uuid.UUID, step: Callable[[], object], form: ApproveForm | HoldForm | None = None
) -> Response | None:
    """Take a step. When it is refused, show the current page with the reason and, for 422, what was typed."""

    def show(status: int, sentence: str | None) -> Response:
        return _show(scan_id, status=status, conflict=sentence, sent=form if status != CONFLICT else None)

    return try_step(step, show, form=form)


def _done(scan_id: uuid.UUID, sentence: str) -> Response:
    flash(sentence, "success")
    return redirect_after(url_for(".scan", scan_id=scan_id))


@admin.get("/scans/<uuid:scan_id>/code-state")
@requires(Permission.REPORT_APPROVE)
def code_state(scan_id: uuid.UUID) -> Response:
    return code_region(queries.scan_visible_to(me(), scan_id).id)


@admin.get("/scans/<uuid:scan_id>/release-state")
@requires(Permission.REPORT_APPROVE)
def release_state(scan_id: uuid.UUID) -> Response:
    """The stored versions and the mail about them, as a region that refreshes itself."""
    scan = queries.scan_visible_to(me(), scan_id)
    release = release_view(scan)
    if release is None:
        abort(404)
    return make_response(render_template("admin/_release.html", scan=scan, release=release))


def _show(
    scan_id: uuid.UUID,
    *,
    status: int = 200,
    conflict: str | None = None,
    sent: ApproveForm | HoldForm | None = None,
    code_asked: bool = False,
) -> Response:
    """Show the scan with the steps that are possible now; the form that was `sent` keeps what was typed."""
    scan = queries.scan_visible_to(me(), scan_id)
    complete = policies.may(policies.check_can_approve, scan)
    asked = services.askable(scan)
    written = prescriptions.versions(scan)
    unprintable = lettering.obstacles(scan, me(), written[-1]) if complete and written else []
    may_approve = complete and not unprintable
    views = [prescription_view(each) for each in written]
    shown = scan_view(scan, patient_facts(scan))
    release = release_view(scan)
    may_preview = bool(scan.reviews and written) and release is None
    values: dict[str, Any] = {
        **second_factor(scan.id, url_for(".code_state", scan_id=scan.id), wanted=may_approve),
        "scan": shown,
        "back": _back(scan_id),
        "evidence": evidence(scan, written[-1] if written else None),
        "shown_again": bool(conflict) and is_htmx(),
        "code_asked": code_asked,
        "seen": services.versions_to_approve(scan, len(written)),
        "warnings": disagreement(scan.review, scan) if may_approve else [],
        "reading_changes": reading_changes(shown.review, shown.earlier_reviews[0])
        if shown.review and shown.earlier_reviews
        else [],
        "prescription_changes": prescription_changes(views[-1], views[-2]) if len(views) > 1 else [],
        "tag": tag(scan),
        "conflict": conflict,
        "may_approve": may_approve,
        "unprintable": unprintable,
        "waits_because": None if conflict else waits_because(scan),
        "may_lift": policies.may(policies.check_can_lift, scan),
        "lift_waits": policies.kind_not_signed(scan),
        "approve_form": sent if isinstance(sent, ApproveForm) else ApproveForm(),
        "hold_form": (sent if isinstance(sent, HoldForm) else HoldForm()).offer(asked) if asked else None,
        "holds": [hold_view(each) for each in reversed(scan.holds)],
        "prescriptions": views,
        "preview_url": url_for(".preview", scan_id=scan.id) if may_preview else None,
        "release": release,
        "critical": None if is_htmx() else critical_of(scan.id),
        "events": [] if is_htmx() else history(scan, written, report_queries.versions(scan)),
    }
    return page_or_fragment("admin/scan.html", "admin/_approval.html", status=status, **values)


def _back(scan_id: uuid.UUID) -> tuple[str, str]:
    """Where the page leads back to: the reports from which it was opened, otherwise the list."""
    try:
        batch = batches.batch_of(me(), uuid.UUID(request.args.get("batch", "")))
    except (ValueError, NotFound):
        return url_for(".queue"), _("Approvals")
    return url_for(".batch", batch_id=batch.id, _anchor=f"report-{scan_id}"), _("The reports you have chosen")
