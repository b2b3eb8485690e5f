"""Pictures and reports, each within what the asking person may see."""

import uuid

from flask import Blueprint, Response, abort, make_response, request

from csss.audit.record import record
from csss.auth.permissions import Permission
from csss.auth.roles import Role
from csss.database import transaction
from csss.reports import queries as report_queries
from csss.scans import queries
from csss.scans.storage import storage
from csss.web.guard import me, requires

files = Blueprint("files", __name__)

_SANDBOX = "sandbox; default-src 'none'"


@files.get("/scans/<uuid:scan_id>/image")
@requires(Permission.SCAN_SEE)
def image(scan_id: uuid.UUID) -> Response:
    scan = queries.scan_visible_to(me(), scan_id)
    return _file(scan.file_key, scan.media_type, f"scan-{scan.id}")


@files.get("/scans/<uuid:scan_id>/heatmap")
@requires(Permission.SCAN_SEE)
def heatmap(scan_id: uuid.UUID) -> Response:
    """A transparent layer of the scan's proportions. A patient sees it only once the report is released."""
    scan = queries.scan_visible_to(me(), scan_id)
    hidden = me().role is Role.PATIENT and not report_queries.released(scan)
    if hidden or scan.prediction is None or scan.prediction.heatmap_key is None:
        abort(404)
    return _file(scan.prediction.heatmap_key, "image/png", f"heatmap-{scan.id}")


@files.get("/reports/<uuid:report_id>.pdf")
@requires(Permission.REPORT_DOWNLOAD)
def report(report_id: uuid.UUID) -> Response:
    found = report_queries.report_visible_to(me(), report_id)
    name = f"report-{found.scan.patient.mrn}-v{found.version}"
    response = _file(found.file_key, "application/pdf", name)
    with transaction():
        record("report.downloaded", found, by=me())
    return response


def _file(key: str, media_type: str, name: str) -> Response:
    """A stored file with its own type; `sandbox` keeps a browser from running anything in it."""
    _refuse_foreign_pages()
    response = make_response(storage().read(key))
    response.headers["Content-Type"] = media_type
    suffix = key.rpartition(".")[2]
    response.headers["Content-Disposition"] = f'inline; filename="{name}.{suffix}"'
    if media_type != "application/pdf":  # browsers refuse to show a sandboxed PDF
        response.headers["Content-Security-Policy"] = _SANDBOX
    return response


def _refuse_foreign_pages() -> None:
    """Another site must not embed these. A request without the header (an old browser, a script) passes."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        abort(403)
