"""Routes: an administrator looks at what waits, approves it, or asks for a correction."""

import threading
import uuid
from typing import Any

from flask import (
    Response,
    abort,
    current_app,
    flash,
    make_response,
    render_template,
    request,
    url_for,
)
from werkzeug.exceptions import ServiceUnavailable

from csss.audit.record import record
from csss.auth import second_factor_tries
from csss.auth.models import CodePurpose
from csss.auth.passkeys import services as passkeys
from csss.confinement.parent import Busy, Exhausted
from csss.database import transaction
from csss.errors import Invalid, StateConflict
from csss.i18n import _
from csss.people.permissions import Permission
from csss.prescriptions import services as prescriptions
from csss.prescriptions.presenters import prescription_view
from csss.reports import approvals, lettering, printing, services
from csss.reports import queries as report_queries
from csss.reports.build import report_context
from csss.reports.document import ReportRenderError
from csss.scans import policies, queries, workflow
from csss.scans.models import Scan
from csss.scans.states import HoldFor
from csss.web.admin.batch_presenters import disagreement
from csss.web.admin.blueprint import admin
from csss.web.admin.changes import prescription_changes, reading_changes
from csss.web.admin.forms import ApproveForm, HoldForm, QueueFilter
from csss.web.admin.presenters import (
    CodeView,
    askable,
    code_view,
    hold_view,
    release_view,
    released_rows,
    tag,
    waiting_rows,
    waits_because,
)
from csss.web.fetch_site import not_from_elsewhere
from csss.web.forms import mark
from csss.web.fragments import UNPROCESSABLE, is_htmx, page_or_fragment, redirect_after
from csss.web.guard import me, requires, user_session
from csss.web.headers import FILE_CSP
from csss.web.listing import filters, list_url, page_number, pager
from csss.web.live_region.rows import rendered_once
from csss.web.passkeys import question, second_factor_shown
from csss.web.staff_view import history, scan_view
from csss.web.throttle import answer_to
from csss.web.unsent import comes_back_on, typed_before

WATERMARK = "PREVIEW – NOT RELEASED"  # not translated: it stands in a report, which has one language
# One is laid out at a time (csss.reports.printing), one may wait for it; more would only fill the threads.
_previews = threading.BoundedSemaphore(2)


@admin.get("/")
@requires(Permission.REPORT_APPROVE)
def queue() -> Response:
    """What waits for approval or is on hold; with `show=released` what has been released, newest first."""
    return show_queue()


def show_queue(*, status: int = 200, refused: str = "") -> Response:
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


@admin.get("/scans/<uuid:scan_id>")
@requires(Permission.REPORT_APPROVE)
def scan(scan_id: uuid.UUID) -> Response:
    sent = typed_before("admin.hold")
    return _show(scan_id, hold_form=HoldForm(sent) if sent is not None else None)


@admin.get("/scans/<uuid:scan_id>/preview.pdf")
@requires(Permission.REPORT_APPROVE)
@not_from_elsewhere
def preview(scan_id: uuid.UUID) -> Response:
    """The report as it would be released now, watermarked on every page and kept nowhere."""
    scan = queries.scan_visible_to(me(), scan_id)
    if not scan.reviews or not prescriptions.versions(scan):
        abort(409, _("The report can be previewed once the doctor and the pharmacist have done their part."))
    if report_queries.approval(scan) is not None:
        abort(409, _("The report has been released. Open its stored version instead of a preview."))
    if not _previews.acquire(blocking=False):
        raise ServiceUnavailable(
            _("Other previews are being made just now. Try again in a moment."), retry_after=2
        )
    try:
        draft = report_context(scan, report_id=str(services.report_id(scan.id, 1)), version=1, draft=True)
        name = f"preview-{scan.patient.mrn}.pdf"
        with transaction():
            record("report.previewed", scan, by=me())
        content = printing.print_report(draft, current_app.jinja_env, watermark=WATERMARK)
    except Exhausted:
        abort(422, _("The report takes too much memory or time to be made: its texts are too long."))
    except ReportRenderError as error:
        abort(422, str(error))
    except Busy:
        raise ServiceUnavailable(
            _("Other previews are being made just now. Try again in a moment."), retry_after=2
        ) from None
    finally:
        _previews.release()
    response = make_response(content)
    response.headers["Content-Type"] = "application/pdf"
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    response.headers["Content-Security-Policy"] = FILE_CSP
    return response


@admin.post("/scans/<uuid:scan_id>/code")
@requires(Permission.REPORT_APPROVE)
def send_code(scan_id: uuid.UUID) -> Response:
    """Owe the administrator a one-time code for this very scan."""
    try:
        with transaction():
            scan = queries.scan_visible_to(me(), scan_id)
            services.check_can_release(scan, by=me())
            second_factor_tries.request_approval_code(user_session(), scan.id)
    except StateConflict as conflict:
        return _show(scan_id, status=409, conflict=str(conflict))
    except Invalid as refused:
        mark(form := ApproveForm(), refused.errors)
        return answer_to(refused, _show(scan_id, status=UNPROCESSABLE, approve=form))
    if is_htmx():
        return _show(scan_id)
    return redirect_after(url_for(".scan", scan_id=scan_id, _anchor="approval"))


@admin.post("/scans/<uuid:scan_id>/passkey")
@requires(Permission.REPORT_APPROVE)
def passkey_question(scan_id: uuid.UUID) -> Response:
    """What the browser has to ask the administrator's passkey, for approving this very scan."""

    def make() -> str:
        scan = queries.scan_visible_to(me(), scan_id)
        services.check_can_release(scan, by=me())
        return passkeys.ask(user_session(), CodePurpose.APPROVAL, scan.id)

    return question(make)


@admin.post("/scans/<uuid:scan_id>/approve")
@requires(Permission.REPORT_APPROVE)
def approve(scan_id: uuid.UUID) -> Response:
    """Release the report with a one-time code or a passkey. The state is checked before either is used up.

    The scan is held from the first look: of two who send the same code at once the second is told that the report is
    released, not that the code is used.
    """
    form = ApproveForm(request.form)
    try:
        with transaction():  # which keeps a wrong code, too: it counts
            held = workflow.lock(scan_id)
            services.check_can_release(held, by=me())
            _check_seen(held)
            proof = second_factor_shown(CodePurpose.APPROVAL, scan_id, form.code.data or "")
            services.approve(scan_id, proof=proof, by=me())
    except StateConflict as conflict:
        return _show(scan_id, status=409, conflict=str(conflict))
    except Invalid as refused:
        mark(form, refused.errors)
        return answer_to(refused, _show(scan_id, status=UNPROCESSABLE, approve=form))
    flash(_("The report is released. It is made now and then mailed to the patient."), "success")
    return redirect_after(url_for(".scan", scan_id=scan_id))


def _check_seen(scan: Scan) -> None:
    """The page says which versions it showed: what has been corrected since has to be looked at first."""
    shown = request.form.get("seen", "")
    if not shown:
        raise StateConflict(
            _("The form did not say which reading and prescription you saw. Look at them here, then approve.")
        )
    if shown != _seen(scan, len(prescriptions.versions(scan))):
        raise StateConflict(
            _(
                "The reading or the prescription has been corrected since you opened this page. Look at it again."
            )
        )


def _seen(scan: Scan, prescribed: int) -> str:
    """The numbers of the versions on the page; both are counted from 1 without gaps."""
    return f"{len(scan.reviews)}.{prescribed}"


@admin.post("/scans/<uuid:scan_id>/hold")
@requires(Permission.REPORT_APPROVE)
@comes_back_on("admin.scan")
def hold(scan_id: uuid.UUID) -> Response:
    """Ask the doctor or the pharmacist for a correction before release."""
    form = HoldForm(request.form)
    to = HoldFor(form.to.data) if form.to.data in set(HoldFor) else None
    try:
        if to is None:
            _check_may_hold(queries.scan_visible_to(me(), scan_id))
            raise Invalid(to=_("Choose who has to correct something."))
        with transaction():
            services.hold(scan_id, to=to, note=form.note.data or "", by=me())
    except StateConflict as conflict:
        return _show(scan_id, status=409, conflict=str(conflict))
    except Invalid as refused:
        mark(form, refused.errors)
        return _show(scan_id, status=UNPROCESSABLE, hold_form=form)
    told = {
        HoldFor.DOCTOR: _("The scan is on hold. The doctor sees your note."),
        HoldFor.PHARMACIST: _("The scan is on hold. The pharmacist sees your note."),
    }
    flash(told[to], "success")
    return redirect_after(url_for(".scan", scan_id=scan_id))


def _check_may_hold(scan: Scan) -> None:
    """Raises StateConflict when nobody could be asked now; the state comes before the input."""
    if not askable(scan):
        policies.check_can_hold(scan, HoldFor.DOCTOR)


@admin.post("/scans/<uuid:scan_id>/lift")
@requires(Permission.REPORT_APPROVE)
def lift(scan_id: uuid.UUID) -> Response:
    try:
        with transaction():
            services.lift(scan_id, by=me())
    except StateConflict as conflict:
        return _show(scan_id, status=409, conflict=str(conflict))
    flash(_("The hold is lifted."), "success")
    return redirect_after(url_for(".scan", scan_id=scan_id))


@admin.get("/scans/<uuid:scan_id>/code-state")
@requires(Permission.REPORT_APPROVE)
def code_state(scan_id: uuid.UUID) -> Response:
    """How far the mailed code has come: a region that asks again by itself."""
    scan = queries.scan_visible_to(me(), scan_id)
    return make_response(render_template("admin/_code.html", code=_code(scan), code_state_url=request.path))


@admin.get("/scans/<uuid:scan_id>/release-state")
@requires(Permission.REPORT_APPROVE)
def release_state(scan_id: uuid.UUID) -> Response:
    """The stored versions and the mail about them: a region that asks again by itself."""
    scan = queries.scan_visible_to(me(), scan_id)
    release = release_view(scan)
    if release is None:
        abort(404)
    return make_response(render_template("admin/_release.html", scan=scan, release=release))


def _code(scan: Scan) -> CodeView | None:
    minutes: int = current_app.config["CSSS"].otp_minutes
    return code_view(approvals.approval_code(me(), scan.id, user_session().id), me().email, minutes)


def _show(
    scan_id: uuid.UUID,
    *,
    status: int = 200,
    conflict: str = "",
    approve: ApproveForm | None = None,
    hold_form: HoldForm | None = None,
) -> Response:
    """The scan with what may be done to it now; the forms hold what was typed."""
    scan = queries.scan_visible_to(me(), scan_id)
    complete = policies.may(policies.check_can_approve, scan)
    asked = askable(scan)
    written = prescriptions.versions(scan)
    unprintable = lettering.obstacles(scan, me(), written[-1]) if complete and written else []
    may_approve = complete and not unprintable
    views = [prescription_view(each) for each in written]
    shown = scan_view(scan)
    release = release_view(scan)
    may_preview = bool(scan.reviews and written) and release is None
    values: dict[str, Any] = {
        "scan": shown,
        "seen": _seen(scan, len(written)),
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
        "approve_form": approve or ApproveForm(),
        "code": _code(scan) if may_approve else None,
        "passkey": may_approve and passkeys.offered(me()),
        "only_passkey": second_factor_tries.needs_passkey(me()),
        "code_state_url": url_for(".code_state", scan_id=scan.id),
        "otp_minutes": current_app.config["CSSS"].otp_minutes,
        "hold_form": (hold_form or HoldForm()).offer(asked) if asked else None,
        "holds": [hold_view(each) for each in reversed(scan.holds)],
        "prescriptions": views,
        "preview_url": url_for(".preview", scan_id=scan.id) if may_preview else None,
        "release": release,
        "events": [] if is_htmx() else history(scan, written, report_queries.versions(scan)),
    }
    return page_or_fragment("admin/scan.html", "admin/_approval.html", status=status, **values)
