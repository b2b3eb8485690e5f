"""A patient uploads a scan, follows it and fetches the report."""

from flask import Blueprint

patient = Blueprint("patient", __name__, url_prefix="/patient")
