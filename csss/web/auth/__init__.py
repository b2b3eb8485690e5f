"""Signing in and out, registering, confirming an address."""

from flask import Blueprint

auth = Blueprint("auth", __name__)

from csss.web.auth import code_routes, forgotten, passkey_routes, registering, routes  # noqa: E402, F401
