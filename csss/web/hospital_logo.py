"""Route: the hospital's logo beside its name, for everybody."""

from flask import Response, abort, make_response

from csss.database import db
from csss.hospital.models import HospitalVersion
from csss.people.permissions import PUBLIC
from csss.picture_formats import JPEG
from csss.web.guard import requires
from csss.web.shell import shell


@shell.get("/hospital-logo/<int:number>.jpg")
@requires(PUBLIC)
def hospital_logo(number: int) -> Response:
    """The small logo of this version of the settings. A version never changes, so browsers may keep it."""
    found = db.session.get(HospitalVersion, number) if number < 2**31 else None
    if found is None or found.small_logo is None:
        abort(404)
    return make_response(
        found.small_logo,
        200,
        {"Content-Type": JPEG.media_type, "Cache-Control": "public, max-age=31536000, immutable"},
    )
