"""A pharmacist adds prescriptions."""

from flask import Blueprint

pharmacist = Blueprint("pharmacist", __name__, url_prefix="/pharmacist")

from csss.web.pharmacist import routes  # noqa: E402, F401
