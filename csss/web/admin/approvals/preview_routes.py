"""Routes: the report as it would be released now, with a watermark."""

import threading
import uuid

from flask import (
    Response,
    abort,
    current_app,
    make_response,
)
from werkzeug.exceptions import ServiceUnavailable

from csss.audit.record import record
from csss.confinement.parent import Busy, Exhausted
from csss.database import transaction
from csss.i18n import _
from csss.people.permissions import Permission
from csss.reports import printing, services
from csss.reports.build import report_context
from csss.reports.document import ReportRenderError
from csss.scans import queries
from csss.web.admin.blueprint import admin
from csss.web.fetch_site import not_from_elsewhere
from csss.web.guard import me, requires
from csss.web.headers import FILE_CSP

WATERMARK = "PREVIEW – NOT RELEASED"  # not translated: it is printed in a report, which has one language


# One is laid out at a time (csss.reports.printing) and one may wait; more would only occupy threads.
_previews = threading.BoundedSemaphore(2)


@admin.get("/scans/<uuid:scan_id>/preview.pdf")
@requires(Permission.REPORT_APPROVE)
@not_from_elsewhere
def preview(scan_id: uuid.UUID) -> Response:
    """Show the report as it would be released now, with a watermark on every page. It is not stored."""
    scan = queries.scan_visible_to(me(), scan_id)
    services.check_can_preview(scan)
    if not _previews.acquire(blocking=False):
        raise ServiceUnavailable(
            _("Other previews are being made at the moment. Try again in a moment."), retry_after=2
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
            _("Other previews are being made at the moment. Try again in a moment."), retry_after=2
        ) from None
    finally:
        _previews.release()
    response = make_response(content)
    response.headers["Content-Type"] = "application/pdf"
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    response.headers["Content-Security-Policy"] = FILE_CSP
    return response
