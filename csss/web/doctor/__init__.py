"""A doctor works through the worklist and reads scans."""

from flask import Blueprint

doctor = Blueprint("doctor", __name__, url_prefix="/doctor")

from csss.web.doctor import desk_routes, reading_routes, routes  # noqa: E402, F401
