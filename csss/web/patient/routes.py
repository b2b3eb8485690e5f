"""Routes: a patient uploads a scan, follows it and downloads the report."""

import os
import uuid
from typing import Any

from flask import Response, current_app, flash, request, url_for
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from csss.errors import Invalid, NotFound
from csss.i18n import _
from csss.people.permissions import Permission
from csss.picture_formats import accepted_types
from csss.recalibration.in_use import folder_in_use
from csss.scans import intake, queries, sent_again, submission
from csss.scans.doubts import Doubtful
from csss.scans.models import Scan
from csss.scans.states import ScanKind
from csss.scans.uploads import services as uploads
from csss.web.doubt_words import Question, question
from csss.web.errors import SENTENCES, error_response
from csss.web.forms import mark
from csss.web.fragments import form_error, page_or_fragment, redirect_after
from csss.web.guard import ask_to_sign_in, me, requires, takes_files
from csss.web.listing import page_number, pager
from csss.web.patient import presenters
from csss.web.patient.blueprint import patient
from csss.web.patient.forms import UploadForm
from csss.web.steps import try_step
from csss.web.unsent import comes_back_on, typed_before


@patient.get("/")
@requires(Permission.SCAN_UPLOAD)
def home() -> Response:
    """Show the patient's scans, and the form for a new one; for a closed scan it is filled in with the earlier text."""
    closed = _closed_scan()
    said = {"kind": closed.kind.value, "indication": closed.indication} if closed else {}
    sent = typed_before("patient.upload")
    if sent is not None:  # the session had ended; the picture has to be chosen again
        said = {"kind": sent.get("kind", ""), "indication": sent.get("indication", "")}
    return page_or_fragment(
        "patient/home.html", "patient/_scans.html", **_home(UploadForm(data=said), closed)
    )


@patient.post("/scans")
@requires(Permission.SCAN_UPLOAD)
@takes_files
@comes_back_on("patient.home")
def upload() -> Response:
    """Accept a scan. Nothing is stored unless everything in the form can be accepted."""
    form = UploadForm(_sent())
    upload_id = None if _has_file(form) else request.form.get("upload", type=uuid.UUID)
    if upload_id and (known := uploads.scan_made_of(upload_id, me())):
        return _sent_before(known, form)
    valid, page_of_scan = form.validate(), ""
    asked: Question | None = None

    def submit() -> None:
        nonlocal page_of_scan, asked
        try:
            page_of_scan = url_for("patient.scan", scan_id=_submit(form, upload_id, valid))
        except Doubtful as doubtful:
            asked = question(doubtful, ScanKind(form.kind.data), upload_id or _keep(form))
            raise

    try:
        refused = try_step(
            submit, lambda _status, _sentence: _refused(form, asked), form=form, in_transaction=False
        )
    except (
        uploads.AlreadyFinished
    ) as finished:  # the form was sent twice, and the other one was processed first
        return _sent_before(finished.scan_id, form)
    return refused or redirect_after(page_of_scan)


@patient.get("/scans/<uuid:scan_id>")
@requires(Permission.SCAN_UPLOAD)
def scan(scan_id: uuid.UUID) -> Response:
    """Show the progress of one scan, and its report after the release."""
    found = queries.scan_visible_to(me(), scan_id)
    return page_or_fragment(
        "patient/scan.html", "patient/_scan.html", scan=presenters.scan_page(found), conflict=None
    )


@patient.errorhandler(RequestEntityTooLarge)
def too_large(error: RequestEntityTooLarge) -> Response:
    """Show the form again after a request that is too large to be read, as for any other file that is too large."""
    # Raised while the form token is read, before it is known who this is.
    most = current_app.config["MAX_CONTENT_LENGTH"]
    if (
        not me().is_authenticated and (request.content_length or 0) <= most
    ):  # the picture was refused because nobody is signed in
        return ask_to_sign_in(token_is_right=False)  # which has not been checked
    if request.endpoint != "patient.upload" or not me().may(Permission.SCAN_UPLOAD):
        return error_response(413, SENTENCES[413])
    form = UploadForm()
    limit = current_app.config["CSSS"].upload_mb
    mark(
        form,
        {"file": _("The file is too large; at most %(most)s MB can be taken. Choose it again.", most=limit)},
    )
    return _refused(form)


def _sent() -> "MultiDict[str, Any]":
    """The picture and the texts; a file sent in a text field is ignored."""
    sent: MultiDict[str, Any] = MultiDict(request.form)
    sent.setlist("file", request.files.getlist("file"))
    return sent


def _has_file(form: UploadForm) -> bool:
    return bool(form.file.data and form.file.data.filename)


def _keep(form: UploadForm) -> uuid.UUID:
    """Keep the picture while its sender is asked: a browser without script cannot choose it again by itself."""
    form.file.data.stream.seek(0)
    return submission.keep_for_later(form.file.data.stream.read(), by=me())


def _content_of(file: FileStorage | None) -> bytes:
    """The picture, read only up to the allowed size. Raises Invalid."""
    if file is None or not file.filename:
        raise Invalid(file=_("Choose the picture of the scan."))
    limit = current_app.config["CSSS"].upload_bytes
    length = file.stream.seek(0, os.SEEK_END)
    intake.check_length(length, limit=limit)
    file.stream.seek(0)
    return file.stream.read(limit + 1)


def _submit(form: UploadForm, upload_id: uuid.UUID | None, valid: bool) -> uuid.UUID:
    """The scan that is made of this form. Raises Invalid, AlreadyFinished."""
    if upload_id:
        taken = submission.take_in_upload(upload_id, form_is_valid=valid, by=me())
    else:
        taken = submission.take_in(_content_of(form.file.data), form_is_valid=valid, by=me())
    kind, sure = ScanKind(form.kind.data), (form.sure.data or "").split()
    made = submission.submit(
        taken,
        kind=kind,
        indication=form.indication.data or "",
        upload_id=upload_id,
        despite=submission.check_doubts(taken, kind=kind, sure=sure, model=folder_in_use, by=me()),
        by=me(),
    )
    if made.sent_anew:
        flash(
            _(
                "You sent this picture a moment ago, with another kind or other words. It is now a scan of "
                "its own with "
                "what you wrote last; the earlier one stays as it is."
            ),
            "info",
        )
    return made.scan_id


def _sent_before(scan_id: uuid.UUID, form: UploadForm) -> Response:
    """The scan that this upload has become; the form again when its texts differ from the scan's."""
    known = queries.scan_visible_to(me(), scan_id)
    if sent_again.says_the_same(known, kind=form.kind.data or "", indication=form.indication.data or ""):
        return redirect_after(url_for("patient.scan", scan_id=scan_id))
    mark(
        form,
        {
            "file": _(
                "This picture has been sent already, with another kind or other words. To send it with these, choose the "
                "picture again."
            )
        },
    )
    return _refused(form)


def _refused(form: UploadForm, asked: Question | None = None) -> Response:
    return form_error("patient/home.html", "patient/_upload.html", **_home(form, asked=asked))


def _closed_scan() -> Scan | None:
    """The own closed scan in whose place another picture is sent; any other value in the address is ignored."""
    wanted = request.args.get("again", type=uuid.UUID)
    try:
        found = queries.scan_visible_to(me(), wanted) if wanted else None
    except NotFound:
        return None
    return found if found is not None and found.closure is not None else None


def _home(form: UploadForm, closed: Scan | None = None, asked: Question | None = None) -> dict[str, Any]:
    page = queries.scans_of(me(), page_number())
    return {
        "form": form,
        "closed": presenters.closed(closed) if closed else None,
        "asked": asked,
        "send_first": bool(form.errors or closed or asked or not page.total),
        "here": url_for("patient.home", page=page.number if page.number > 1 else None),
        "user": me(),
        "hints": presenters.hints(me()),
        "rows": presenters.rows(page.rows),
        "pager": pager(page, "patient.home"),
        "upload_mb": current_app.config["CSSS"].upload_mb,
        "picture_types": accepted_types(),
    }
