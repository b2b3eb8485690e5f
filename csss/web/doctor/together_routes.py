"""Routes: a doctor assigns a scan to a colleague, gives one back, and asks for a second reading or writes one."""

import uuid

from flask import Response, flash, request

from csss.i18n import _
from csss.people.permissions import Permission
from csss.scans import assignments, queries, second_readings
from csss.web.doctor import worklist
from csss.web.doctor.blueprint import doctor
from csss.web.doctor.forms import AssignForm, ReviewForm
from csss.web.doctor.reading_routes import done, take_step
from csss.web.fragments import redirect_after
from csss.web.guard import me, requires
from csss.web.unsent import comes_back_on


@doctor.post("/scans/<uuid:scan_id>/assign")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def assign(scan_id: uuid.UUID) -> Response:
    """Assign the scan to the chosen doctor. If it was done from the worklist (field `back`), the doctor returns there."""
    form = AssignForm(request.form)
    told: list[str] = []

    def step() -> None:
        kept = assignments.assign(scan_id, to=form.chosen, note=form.note.data or "", by=me())
        told.append(
            _("You have taken the scan on.")
            if kept.to_id == me().id
            else _("The scan is assigned to %(doctor)s.", doctor=kept.to.name)
        )

    refused = take_step(scan_id, form, step)
    if refused is not None:
        return refused
    if "back" not in request.form:
        return done(scan_id, told[0])
    flash(told[0], "success")
    return redirect_after(worklist.back_to(request.form["back"]))


@doctor.post("/scans/<uuid:scan_id>/give-back")
@requires(Permission.SCAN_REVIEW)
def give_back(scan_id: uuid.UUID) -> Response:
    """End an assignment: any doctor can read the scan again."""
    refused = take_step(scan_id, None, lambda: assignments.give_back(scan_id, by=me()))
    return refused or done(scan_id, _("The scan is not assigned any more: any doctor can read it."))


@doctor.post("/scans/<uuid:scan_id>/ask-second-reading")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def ask_second(scan_id: uuid.UUID) -> Response:
    """Ask for a second reading of what has been written."""
    form = ReviewForm(request.form)
    queries.scan_visible_to(me(), scan_id)
    refused = take_step(scan_id, form, lambda: second_readings.ask(scan_id, form.reading(), by=me()))
    return refused or done(
        scan_id,
        _("A second reading is asked for. Your conclusion is kept, and nobody else sees it until then."),
    )


@doctor.post("/scans/<uuid:scan_id>/second-reading")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def write_second(scan_id: uuid.UUID) -> Response:
    """Keep the second reading; the page then shows both."""
    form = ReviewForm(request.form)
    refused = take_step(scan_id, form, lambda: second_readings.write(scan_id, form.reading(), by=me()))
    return refused or done(scan_id, _("Your second reading is kept. Both readings stand side by side now."))


@doctor.post("/scans/<uuid:scan_id>/end-second-reading")
@requires(Permission.SCAN_REVIEW)
def end_second(scan_id: uuid.UUID) -> Response:
    """End the request for a second reading: the scan can be signed as usual."""
    refused = take_step(scan_id, None, lambda: second_readings.withdraw(scan_id, by=me()))
    return refused or done(scan_id, _("The request for a second reading has ended."))
