"""What everybody may change of their own account."""

from flask import Blueprint

account = Blueprint("account", __name__, url_prefix="/account")

from csss.web.account import passkeys, routes, second_step  # noqa: E402, F401
