"""A doctor works through the worklist and reads scans."""

from flask import Blueprint

doctor = Blueprint("doctor", __name__, url_prefix="/doctor")
