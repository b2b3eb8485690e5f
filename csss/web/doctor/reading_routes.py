"""Routes: a doctor reads a scan, writes the findings, and signs them. Drafts and templates are in `draft_routes`."""

import uuid
from collections.abc import Callable

from flask import Response, flash, render_template, request, url_for
from wtforms import Form

from csss.database import transaction
from csss.errors import NotFound
from csss.i18n import _
from csss.people.permissions import Permission
from csss.reports import services as reports
from csss.scans import analysis as analyses
from csss.scans import (
    disclosure,
    first_impressions,
    queries,
    report_templates,
    review_drafts,
    services,
    taking_back,
    withdrawing,
)
from csss.scans import worklist_queries as lists
from csss.web.doctor import reading, worklist
from csss.web.doctor.blueprint import doctor
from csss.web.doctor.claim_fragment import claim_view
from csss.web.doctor.forms import (
    AddendumForm,
    AssignForm,
    CloseForm,
    KindForm,
    PriorityForm,
    ReviewForm,
    WithoutClassifierForm,
)
from csss.web.doctor.putting_off import put_off
from csss.web.fragments import is_htmx, page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.steps import try_step
from csss.web.unsent import comes_back_on, typed_before
from csss.web.view_audit import also_shows

_TYPED_INTO: dict[type[Form], tuple[str, ...]] = {
    ReviewForm: (
        "doctor.verify",
        "doctor.reveal",
        "doctor.correct",
        "doctor.save_draft",
        "doctor.insert_template",
        "doctor.ask_second",
        "doctor.write_second",
    ),
    AssignForm: ("doctor.assign",),
    AddendumForm: ("doctor.addendum",),
    CloseForm: ("doctor.close",),
    WithoutClassifierForm: ("doctor.read_without_ai",),
    KindForm: ("doctor.correct_kind",),
}


@doctor.get("/scans/<uuid:scan_id>")
@requires(Permission.SCAN_REVIEW)
def scan(scan_id: uuid.UUID) -> Response:
    """Show the reading page; `compare` in the address shows another scan of the patient beside it, `heat` the heat map
    of a finding. Text typed before the session ended is filled in again.
    """
    for form, endpoints in _TYPED_INTO.items():
        sent = typed_before(*endpoints)
        if sent is not None:
            return reading_page(scan_id, form(sent))
    return reading_page(scan_id)


@doctor.get("/scans/<uuid:scan_id>/analysis")
@requires(Permission.SCAN_REVIEW)
def analysis_state(scan_id: uuid.UUID) -> Response:
    """The small region that refreshes itself while the analysis runs; when that is done, it loads the whole page."""
    found = queries.scan_visible_to(me(), scan_id)
    if not is_htmx():
        return redirect_after(url_for("doctor.scan", scan_id=scan_id))
    html = render_template("doctor/_analysis.html", analysis=reading.analysis(found))
    response = Response(html)
    response.vary.add("HX-Request")
    return response


@doctor.post("/scans/<uuid:scan_id>/analyze")
@requires(Permission.SCAN_REVIEW)
def analyze(scan_id: uuid.UUID) -> Response:
    """Start the analysis. If it was started from the worklist (field `back`), the doctor returns there."""
    refused = take_step(scan_id, None, lambda: analyses.start(scan_id, by=me()))
    if refused is not None:
        return refused
    if "back" not in request.form:
        return done(scan_id, _("The analysis has been started."))
    flash(_("The analysis has been started."), "success")
    return redirect_after(worklist.back_to(request.form["back"]))


@doctor.post("/scans/<uuid:scan_id>/verify")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def verify(scan_id: uuid.UUID) -> Response:
    """Sign the reading, then show the next scan, if requested, or the worklist."""
    form, then = ReviewForm(request.form), request.form.get("then")
    if then == "agree_next":
        form.agree()
    refused = take_step(scan_id, form, lambda: services.verify(scan_id, form.reading(), by=me()))
    if refused is not None:
        return refused
    # No name in it: the message is stored in a cookie.
    flash(_("The scan has been verified. The pharmacist has it now."), "success")
    if then in {"next", "agree_next"}:
        following = lists.next_scan_for(me(), but=scan_id, put_off=put_off())
        if following is not None:
            return redirect_after(url_for("doctor.scan", scan_id=following))
    return redirect_after(url_for("doctor.worklist"))


@doctor.post("/scans/<uuid:scan_id>/reveal")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def reveal(scan_id: uuid.UUID) -> Response:
    """Keep the first impression, and show what the classifier says."""
    form = ReviewForm(request.form)
    sureness = form.sureness.data or ""
    refused = take_step(
        scan_id,
        form,
        lambda: first_impressions.keep(scan_id, form.reading(), sureness=sureness, by=me()),
    )
    return refused or done(
        scan_id, _("Your first impression is kept. The classifier’s answer stands beside the picture.")
    )


@doctor.post("/scans/<uuid:scan_id>/correct")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def correct(scan_id: uuid.UUID) -> Response:
    """Add a corrected version of the reading, which an administrator has requested, or whose signature was taken back."""
    form = ReviewForm(request.form)
    hold = queries.scan_visible_to(me(), scan_id).open_hold
    again = hold is not None and hold.taken_back is not None
    refused = take_step(scan_id, form, lambda: services.correct_review(scan_id, form.reading(), by=me()))
    return refused or done(
        scan_id,
        _("The reading has been signed again. The pharmacist has it now.")
        if again
        else _("The corrected reading has been added. The administrator looks at it next."),
    )


@doctor.post("/scans/<uuid:scan_id>/take-back")
@requires(Permission.SCAN_REVIEW)
def take_back(scan_id: uuid.UUID) -> Response:
    """Take the own signature back, as long as no pharmacist has opened the scan."""
    refused = take_step(scan_id, None, lambda: taking_back.take_back(scan_id, by=me()))
    return refused or done(
        scan_id, _("Your signature has been taken back. The scan is held for you until you sign it again.")
    )


@doctor.post("/scans/<uuid:scan_id>/read-without-ai")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def read_without_ai(scan_id: uuid.UUID) -> Response:
    form = WithoutClassifierForm(request.form)
    reason = form.reason.data or ""
    refused = take_step(
        scan_id, form, lambda: analyses.read_without_classifier(scan_id, reason=reason, by=me())
    )
    return refused or done(scan_id, _("The scan is to be read without the classifier."))


@doctor.post("/scans/<uuid:scan_id>/close")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def close(scan_id: uuid.UUID) -> Response:
    form = CloseForm(request.form)
    reason = form.reason.data or ""
    refused = take_step(scan_id, form, lambda: services.close(scan_id, reason=reason, by=me()))
    return refused or done(scan_id, _closed(scan_id))


def _closed(scan_id: uuid.UUID) -> str:
    if queries.scan_visible_to(me(), scan_id).patient.user is None:
        return _("The scan has been closed. The patient has no account: tell whoever has sent it.")
    return _("The scan has been closed. The patient is asked to upload again.")


@doctor.post("/scans/<uuid:scan_id>/priority")
@requires(Permission.SCAN_REVIEW)
def priority(scan_id: uuid.UUID) -> Response:
    form = PriorityForm(request.form)
    wanted = form.priority.data or ""
    refused = take_step(scan_id, form, lambda: services.set_priority(scan_id, wanted, by=me()))
    return refused or done(scan_id, _("The priority has been changed."))


@doctor.post("/scans/<uuid:scan_id>/kind")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def correct_kind(scan_id: uuid.UUID) -> Response:
    """Correct the kind of the scan."""
    form = KindForm(request.form)
    was, became, reason = form.was.data or "", form.kind.data or "", form.reason.data or ""
    refused = take_step(
        scan_id,
        form,
        lambda: services.correct_kind(scan_id, was=was, became=became, reason=reason, by=me()),
    )
    return refused or done(scan_id, _("The kind of the scan has been corrected."))


@doctor.post("/scans/<uuid:scan_id>/addendum")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def addendum(scan_id: uuid.UUID) -> Response:
    """Add a signed note after release; it makes a new version of the report."""
    form = AddendumForm(request.form)
    note, action = form.note.data or "", form.critical_action.data or ""
    refused = take_step(
        scan_id,
        form,
        lambda: reports.add_addendum(
            scan_id, note=note, critical=bool(form.critical.data), critical_action=action, by=me()
        ),
    )
    return refused or done(
        scan_id, _("The addendum has been added. A new version of the report is being made.")
    )


def take_step(scan_id: uuid.UUID, form: Form | None, step: Callable[[], object]) -> Response | None:
    """Take a step. When it is refused, show the current page with the reason and what was typed."""
    return try_step(
        step,
        lambda status, sentence: reading_page(scan_id, form, status=status, conflict=sentence),
        form=form,
    )


def done(scan_id: uuid.UUID, sentence: str) -> Response:
    """Show the same page after a success: htmx changes it in place, a browser loads it again."""
    flash(sentence, "success")
    if is_htmx():
        return reading_page(scan_id)
    return redirect_after(url_for("doctor.scan", scan_id=scan_id, compare=_compared()))


def _note_opening(scan_id: uuid.UUID) -> None:
    """Before anything is shown: from now on the patient cannot withdraw the scan."""
    if request.method == "GET" and withdrawing.is_first_opening(queries.scan_visible_to(me(), scan_id)):
        with transaction():
            withdrawing.open_as_doctor(scan_id, by=me())


def reading_page(
    scan_id: uuid.UUID, sent: Form | None = None, *, status: int = 200, conflict: str | None = None
) -> Response:
    """Show the reading page; the form that was `sent` keeps what was typed, the others are new."""
    _note_opening(scan_id)
    scan = queries.scan_visible_to(me(), scan_id)
    draft = review_drafts.of(scan_id, me())
    compared = _compared()
    heat = request.args.get("heat")
    page = reading.reading_page(scan, draft, reader=me(), compare=compared, heat=heat)
    if compared is not None:
        also_shows(compared)
        _note_opening(compared)
    beginning = draft if draft is not None and not reading.overtaken(draft, scan) else scan.review
    review = (
        sent
        if isinstance(sent, ReviewForm)
        else ReviewForm.starting_with(beginning or disclosure.first_impression(scan, me()))
    )
    review.offer(page.diagnosis_offer)
    offered = page.may.verify or page.may.correct or page.may.write_second
    refused = conflict is not None
    lost = _typed(sent) if sent is not None and not _is_shown(sent, page.may, refused=refused) else []
    if lost and conflict is None:
        conflict = _("This can no longer be sent: the scan has moved on in the meantime.")
    return page_or_fragment(
        "doctor/scan.html",
        "doctor/_reading.html",
        status=status,
        scan=page,
        claim=claim_view(scan_id),
        conflict=conflict,
        # Text that can no longer be sent is not lost: it is shown as text, to be copied.
        unsaved=lost,
        review=review.asked_of(scan, first=page.may.reveal, second=page.may.write_second),
        assigning=(sent if isinstance(sent, AssignForm) else AssignForm()).offering(me()),
        templates=report_templates.of(me(), scan.kind) if offered else [],
        without=sent if isinstance(sent, WithoutClassifierForm) else WithoutClassifierForm(),
        closing=sent if isinstance(sent, CloseForm) else CloseForm(),
        priority=sent
        if isinstance(sent, PriorityForm)
        else PriorityForm(data={"priority": scan.priority.value}),
        kind_form=sent if isinstance(sent, KindForm) else KindForm(),
        addendum=sent if isinstance(sent, AddendumForm) else AddendumForm(),
    )


def _is_shown(sent: Form, may: reading.May, *, refused: bool) -> bool:
    """Whether the page has this form, with what was typed."""
    shown = {
        ReviewForm: may.verify or may.correct or may.write_second,
        AssignForm: may.assign,
        AddendumForm: may.add_addendum,
        CloseForm: may.close,
        WithoutClassifierForm: may.read_without,
        # After a refusal it is collapsed, unless a field is wrong.
        KindForm: may.correct_kind and bool(sent.errors or not refused),
    }
    return shown.get(type(sent), True)


def _typed(form: Form | None) -> list[tuple[str, str]]:
    """The typed text, field by field."""
    texts = [
        (field.label.text, field.data)
        for field in form or ()
        if field.name not in {"agreement", "sureness", "priority", "kind", "was", "to"}
    ]
    return [(label, text) for label, text in texts if isinstance(text, str) and text.strip()]


def _compared() -> uuid.UUID | None:
    """The scan to show beside this one. Raises NotFound for a value that is no id."""
    wanted = request.args.get("compare", type=uuid.UUID)
    if wanted is None and request.args.get("compare"):
        raise NotFound(_("There is no such scan."))
    return wanted
