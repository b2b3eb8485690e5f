"""An administrator approves reports, manages accounts and reads the audit log."""

from flask import Blueprint

admin = Blueprint("admin", __name__, url_prefix="/admin")

from csss.web.admin import accounts, batches, erasing, jobs, logs, routes, statistics  # noqa: E402, F401
