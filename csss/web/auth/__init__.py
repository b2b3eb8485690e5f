"""Signing in and out, registering, confirming an address."""

from csss.web.auth import claiming, code_routes, forgotten, invited, passkey_routes, registering, routes
from csss.web.auth.blueprint import auth

__all__ = ["auth"]
