"""Run the application for development of its pages, with `/styleguide` and assets that are reloaded:

     flask --app csss.development run --debug

Nothing in production imports this module.
"""

from flask import Flask

from csss.config import BadSetting, Settings, load_settings
from csss.factory import create_app as make


def create_app(settings: Settings | None = None) -> Flask:
    """Raises BadSetting for an address that others can reach."""
    settings = settings or load_settings()
    if settings.https or settings.trusted_proxies:
        raise BadSetting(
            "csss.development is for your own machine: it does not start with an https:// address or behind a proxy."
        )
    return make(settings, development=True)
