"""Pictures and reports, each within what the asking person may see."""

import uuid
from collections.abc import Callable

from flask import Blueprint, Response, abort, make_response, request

from csss.audit.record import record
from csss.auth.permissions import Permission
from csss.auth.roles import Role
from csss.database import db, transaction
from csss.reports import queries as report_queries
from csss.scans import previews, queries
from csss.scans.storage import CannotOpen, storage
from csss.web.guard import me, requires

files = Blueprint("files", __name__)

_SANDBOX = "sandbox; default-src 'none'"


@files.get("/scans/<uuid:scan_id>/image")
@requires(Permission.SCAN_SEE)
def image(scan_id: uuid.UUID) -> Response:
    """The scan as it is stored; `size=preview` or `size=thumbnail` a small version of it."""
    scan = queries.scan_visible_to(me(), scan_id)
    wanted = request.args.get("size")
    if wanted is None:
        return _file(scan.id, scan.file_key, scan.media_type, f"scan-{scan.id}")
    size = previews.SIZES.get(wanted)
    if size is None:
        abort(404)
    _refuse_foreign_pages()
    file_key = scan.file_key
    made = _there(scan_id, lambda: previews.small(file_key, size))
    return _answer(made, previews.MEDIA_TYPE, f"{wanted}-{scan_id}.jpg")


@files.get("/scans/<uuid:scan_id>/heatmap")
@requires(Permission.SCAN_SEE)
def heatmap(scan_id: uuid.UUID) -> Response:
    """A transparent layer of the scan's proportions. A patient sees it only once the report is released."""
    scan = queries.scan_visible_to(me(), scan_id)
    hidden = me().role is Role.PATIENT and not report_queries.released(scan)
    if hidden or scan.prediction is None or scan.prediction.heatmap_key is None:
        abort(404)
    return _file(scan.id, scan.prediction.heatmap_key, "image/png", f"heatmap-{scan.id}")


@files.get("/reports/<uuid:report_id>.pdf")
@requires(Permission.REPORT_DOWNLOAD)
def report(report_id: uuid.UUID) -> Response:
    found = report_queries.report_visible_to(me(), report_id)
    name = f"report-{found.scan.patient.mrn}-v{found.version}"
    response = _file(found.scan_id, found.file_key, "application/pdf", name)
    with transaction():
        record("report.downloaded", found, by=me())
    return response


def _file(scan_id: uuid.UUID, key: str, media_type: str, name: str) -> Response:
    """A stored file with its own type."""
    _refuse_foreign_pages()
    content = _there(scan_id, lambda: storage().read(key))
    return _answer(content, media_type, f"{name}.{key.rpartition('.')[2]}")


def _there(scan_id: uuid.UUID, read: Callable[[], bytes]) -> bytes:
    """The contents. Without the file it is 404 when the scan has just been erased; else somebody has lost it."""
    try:
        return read()
    except FileNotFoundError as error:
        db.session.rollback()
        queries.scan_visible_to(me(), scan_id)
        raise CannotOpen(f"A stored file of the scan {scan_id} is missing: {error}") from None


def _answer(content: bytes, media_type: str, name: str) -> Response:
    """`sandbox` keeps a browser from running anything in it. No cache keeps it: clinic computers are shared."""
    response = make_response(content)
    response.headers["Content-Type"] = media_type
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    if media_type != "application/pdf":  # browsers refuse to show a sandboxed PDF
        response.headers["Content-Security-Policy"] = _SANDBOX
    return response


def _refuse_foreign_pages() -> None:
    """Another site must not embed these. A request without the header (an old browser, a script) passes."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        abort(403)
