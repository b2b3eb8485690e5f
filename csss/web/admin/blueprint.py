"""An administrator approves reports, manages accounts and reads the audit log."""

from flask import Blueprint

admin = Blueprint("admin", __name__, url_prefix="/admin")
