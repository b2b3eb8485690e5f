"""The text about who is reading a scan now: `templates/doctor/_claim.html` shows it on the reading page."""

import uuid
from dataclasses import dataclass

from flask import Response, make_response, render_template

from csss.scans import claims
from csss.web.guard import me
from csss.web.live_region.refresh import digest, is_refresh, refreshed


@dataclass(frozen=True)
class ClaimView:
    """Who is reading a scan. `reader` is a colleague's name, None when nobody or this doctor is reading it; `mine` says
    which.
    """

    scan_id: uuid.UUID
    offered: bool  # a doctor has to act on this scan
    mine: bool
    reader: str | None


def claim_view(scan_id: uuid.UUID) -> ClaimView:
    standing = claims.standing(scan_id)
    mine = standing is not None and standing.doctor_id == me().id
    reader = standing.doctor.name if standing is not None and not mine else None
    return ClaimView(scan_id, claims.is_to_do(scan_id), mine, reader)


def claim_fragment(scan_id: uuid.UUID) -> Response:
    view = claim_view(scan_id)
    html = render_template("doctor/_claim.html", claim=view)
    if is_refresh():
        return refreshed(html, digest(repr(view)))
    response = make_response(html)
    response.vary.add("HX-Request")
    return response
