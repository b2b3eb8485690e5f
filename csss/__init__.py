"""CSSS, the Clinical Scan Support System."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from csss.config import Settings


def create_app(settings: "Settings | None" = None, *, pages: bool = True) -> "Flask":
    """Create the application. Imports `csss.factory` only now, because `csss.inference` must not load anything of
    the web."""
    from csss.factory import create_app as make

    return make(settings, pages=pages)
