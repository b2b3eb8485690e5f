"""Pages on which people change their own account."""

from flask import Blueprint

account = Blueprint("account", __name__, url_prefix="/account")
