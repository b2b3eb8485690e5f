"""Serve pictures and reports, only to people who may see them."""

import uuid
from collections.abc import Callable

from flask import Blueprint, Response, abort, make_response, request
from werkzeug.exceptions import ServiceUnavailable

from csss.audit.record import record
from csss.confinement.parent import Busy
from csss.database import db, transaction
from csss.i18n import _
from csss.inference.heatmap import heatmap_png
from csss.people.permissions import Permission
from csss.people.roles import Role
from csss.picture_formats import PNG
from csss.reports import queries as report_queries
from csss.scans import previews, queries
from csss.scans.findings import map_of
from csss.scans.models import Scan
from csss.storage.files import CannotOpen, storage
from csss.web.fetch_site import not_from_elsewhere
from csss.web.guard import me, requires
from csss.web.headers import FILE_CSP

files = Blueprint("files", __name__)


@files.get("/scans/<uuid:scan_id>/image")
@requires(Permission.SCAN_SEE)
@not_from_elsewhere
def image(scan_id: uuid.UUID) -> Response:
    """The scan as it is stored; `size=preview` or `size=thumbnail` a small version of it."""
    scan = queries.scan_visible_to(me(), scan_id)
    wanted = request.args.get("size")
    if wanted is None:
        return _file(scan.id, scan.file_key, scan.media_type, f"scan-{scan.id}")
    size = previews.SIZES.get(wanted)
    if size is None:
        abort(404)
    file_key = scan.file_key
    try:
        made = _there(scan_id, lambda: previews.small(file_key, size))
    except Busy:
        raise ServiceUnavailable(
            _("Other pictures are being made at the moment. Try again in a moment."), retry_after=2
        ) from None
    return _answer(made, previews.FORMAT.media_type, f"{wanted}-{scan_id}.{previews.FORMAT.suffix}")


@files.get("/scans/<uuid:scan_id>/heatmap")
@requires(Permission.SCAN_SEE)
@not_from_elsewhere
def heatmap(scan_id: uuid.UUID) -> Response:
    """The heat map: a transparent layer with the scan's proportions. A patient sees it only after the report is
    released.
    """
    scan = queries.scan_visible_to(me(), scan_id)
    if _maps_hidden(scan) or scan.prediction is None or scan.prediction.heatmap_key is None:
        abort(404)
    return _file(scan.id, scan.prediction.heatmap_key, PNG.media_type, f"heatmap-{scan.id}")


@files.get("/scans/<uuid:scan_id>/heatmap/<finding>")
@requires(Permission.SCAN_SEE)
@not_from_elsewhere
def finding_map(scan_id: uuid.UUID, finding: str) -> Response:
    """The layer of one finding, drawn from the grid that is kept; seen by whom the heat map is."""
    scan = queries.scan_visible_to(me(), scan_id)
    grid = None if _maps_hidden(scan) else map_of(scan, finding)
    if grid is None:
        abort(404)
    layer = heatmap_png(grid, scan.width, scan.height)
    return _answer(layer, PNG.media_type, f"heatmap-{scan.id}.{PNG.suffix}")


def _maps_hidden(scan: Scan) -> bool:
    """A patient sees what the classifier has said only once the report is released."""
    return me().role is Role.PATIENT and not report_queries.released(scan)


@files.get("/reports/<uuid:report_id>.pdf")
@requires(Permission.REPORT_DOWNLOAD)
@not_from_elsewhere
def report(report_id: uuid.UUID) -> Response:
    found = report_queries.report_visible_to(me(), report_id)
    name = f"report-{found.scan.patient.mrn}-v{found.version}"
    response = _file(found.scan_id, found.file_key, "application/pdf", name)
    with transaction():
        record("report.downloaded", found, by=me())
    return response


def _file(scan_id: uuid.UUID, key: str, media_type: str, name: str) -> Response:
    """A stored file with its own type."""
    content = _there(scan_id, lambda: storage().read(key))
    return _answer(content, media_type, f"{name}.{key.rpartition('.')[2]}")


def _there(scan_id: uuid.UUID, read: Callable[[], bytes]) -> bytes:
    """The content of the file. If it is missing: 404 when the scan has just been erased, otherwise an error."""
    try:
        return read()
    except FileNotFoundError as error:
        db.session.rollback()
        queries.scan_visible_to(me(), scan_id)
        raise CannotOpen(f"A stored file of the scan {scan_id} is missing: {error}") from None


def _answer(content: bytes, media_type: str, name: str) -> Response:
    """The answer with the file. `sandbox` stops the browser from running anything in it. No cache stores it: clinic
    computers are shared.
    """
    response = make_response(content)
    response.headers["Content-Type"] = media_type
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    response.headers["Content-Security-Policy"] = FILE_CSP
    return response
