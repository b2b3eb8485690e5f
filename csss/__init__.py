"""CSSS, the Clinical Scan Support System."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from csss.config import Settings


def create_app(settings: "Settings | None" = None) -> "Flask":
    """The application; see `csss.factory`, which is loaded only now: `csss.inference` needs nothing of the web."""
    from csss.factory import create_app as make

    return make(settings)
