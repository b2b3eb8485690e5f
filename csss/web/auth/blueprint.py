"""Signing in and out, registering, confirming an address."""

from flask import Blueprint

auth = Blueprint("auth", __name__)
