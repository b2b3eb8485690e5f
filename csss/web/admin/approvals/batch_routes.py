"""Routes: an administrator chooses several reports, looks at them once more and approves them with one code."""

import uuid
from collections.abc import Callable
from typing import Any

from flask import Response, flash, request, url_for

from csss.auth import second_factor_tries
from csss.auth.models import CodePurpose
from csss.auth.passkeys import services as passkeys
from csss.errors import NotFound
from csss.i18n import _, _n
from csss.people.permissions import Permission
from csss.reports import batches
from csss.web.admin.approvals.batch_presenters import chosen_report
from csss.web.admin.approvals.forms import ApproveForm
from csss.web.admin.approvals.queue_routes import show_queue
from csss.web.admin.blueprint import admin
from csss.web.admin.mailed_code import code_region, second_factor
from csss.web.fragments import is_htmx, page_or_fragment, redirect_after
from csss.web.guard import me, requires, user_session
from csss.web.passkeys import question, second_factor_shown
from csss.web.steps import CONFLICT, try_step
from csss.web.view_audit import also_shows


@admin.post("/approvals")
@requires(Permission.REPORT_APPROVE)
def prepare_batch() -> Response:
    """Store which reports were ticked, and redirect to the page that shows them once more."""
    ticked, prepared = _ticked(), []
    refused = try_step(
        lambda: prepared.append(batches.prepare(ticked, by=me()).id),
        lambda status, sentence: show_queue(status=status, refused=sentence),
    )
    return refused or redirect_after(url_for(".batch", batch_id=prepared[0]))


def _ticked() -> list[uuid.UUID]:
    """The ids of the ticked scans. Raises NotFound for a value that is no id."""
    try:
        return [uuid.UUID(text) for text in request.form.getlist("scan")]
    except ValueError:
        raise NotFound(_("There is no such scan.")) from None


@admin.get("/approvals/<uuid:batch_id>")
@requires(Permission.REPORT_APPROVE)
def batch(batch_id: uuid.UUID) -> Response:
    """Show the chosen reports; after the approval, the result for each."""
    return _show(batch_id, code_asked="code" in request.args)


@admin.post("/approvals/<uuid:batch_id>/leave-out")
@requires(Permission.REPORT_APPROVE)
def leave_out(batch_id: uuid.UUID) -> Response:
    """Make the same choice again without the named reports."""
    without, prepared = set(_ticked()), []
    refused = _take_step(batch_id, lambda: prepared.append(batches.leave_out(batch_id, without, by=me()).id))
    return refused or redirect_after(url_for(".batch", batch_id=prepared[0]))


@admin.post("/approvals/<uuid:batch_id>/code")
@requires(Permission.REPORT_APPROVE)
def send_batch_code(batch_id: uuid.UUID) -> Response:
    """Send the administrator a one-time code for exactly these reports."""

    def send() -> None:
        chosen, _problems = batches.lock(batch_id, by=me())
        second_factor_tries.request_approval_code(user_session(), chosen.id)

    refused = _take_step(batch_id, send, ApproveForm())
    if refused is not None:
        return refused
    if is_htmx():
        return _show(batch_id, code_asked=True)
    return redirect_after(url_for(".batch", batch_id=batch_id, code="asked"))


@admin.post("/approvals/<uuid:batch_id>/passkey")
@requires(Permission.REPORT_APPROVE)
def batch_passkey_question(batch_id: uuid.UUID) -> Response:
    """The passkey request for the browser, for approving exactly these reports."""

    def make() -> str:
        chosen, _problems = batches.lock(batch_id, by=me())
        return passkeys.ask(user_session(), CodePurpose.APPROVAL, chosen.id)

    return question(make)


@admin.post("/approvals/<uuid:batch_id>/approve")
@requires(Permission.REPORT_APPROVE)
def approve_batch(batch_id: uuid.UUID) -> Response:
    """Release all chosen reports with one code or passkey. Reports that have changed meanwhile are not released, and
    are named.
    """
    form = ApproveForm(request.form)
    outcomes: list[batches.BatchOutcome] = []

    def release() -> None:  # a wrong code is kept, too: it counts
        outcomes.append(
            batches.approve_chosen(
                batch_id,
                second_factor=lambda: second_factor_shown(
                    CodePurpose.APPROVAL, batch_id, form.code.data or ""
                ),
                by=me(),
            )
        )

    refused = _take_step(batch_id, release, form)
    if refused is not None:
        return refused
    outcome = outcomes[0]
    released = _n(
        "%(num)s report is released. It is made now and then mailed to the patient.",
        "%(num)s reports are released. They are made now and then mailed to the patients.",
        outcome.approved,
    )
    if outcome.left:
        left = _n(
            "%(num)s report was not released; the reason is below.",
            "%(num)s reports were not released; the reasons are below.",
            outcome.left,
        )
        flash(f"{released} {left}", "warning")
    else:
        flash(released, "success")
    return redirect_after(url_for(".batch", batch_id=batch_id))


def _take_step(
    batch_id: uuid.UUID, step: Callable[[], object], form: ApproveForm | None = None
) -> Response | None:
    """Take a step. When it is refused, show the current page with the reason and, for 422, what was typed."""

    def show(status: int, sentence: str | None) -> Response:
        return _show(batch_id, status=status, conflict=sentence, form=form if status != CONFLICT else None)

    return try_step(step, show, form=form)


@admin.get("/approvals/<uuid:batch_id>/code-state")
@requires(Permission.REPORT_APPROVE)
def batch_code_state(batch_id: uuid.UUID) -> Response:
    chosen = batches.batch_of(me(), batch_id)
    return code_region(chosen.id, reports=len(chosen.items))


def _show(
    batch_id: uuid.UUID,
    *,
    status: int = 200,
    conflict: str | None = None,
    form: ApproveForm | None = None,
    code_asked: bool = False,
) -> Response:
    chosen = batches.batch_of(me(), batch_id)
    for item in chosen.items:
        also_shows(item.scan_id)
    reports = [chosen_report(each) for each in batches.choices(chosen)]
    done, cancelled = chosen.approved_at is not None, chosen.cancelled_at is not None
    ready = 0 if done or cancelled else sum(each.problem is None for each in reports)
    code_state_url = url_for(".batch_code_state", batch_id=batch_id)
    values: dict[str, Any] = {
        **second_factor(chosen.id, code_state_url, wanted=ready > 0, reports=len(chosen.items)),
        "batch_id": batch_id,
        "reports": reports,
        "ready": ready,
        "done": done,
        "cancelled": cancelled,
        "approved": sum(each.approved is True for each in reports),
        "conflict": conflict,
        "code_asked": code_asked,
        "form": form or ApproveForm(),
    }
    return page_or_fragment("admin/batch.html", "admin/_batch.html", status=status, **values)
