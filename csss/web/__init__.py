"""Handle HTTP: one blueprint per role, and the code that they share."""

from typing import Any

from flask import Flask, Response, current_app, url_for
from flask_login import current_user

from csss.errors import NotFound, StateConflict
from csss.hospital.current import hospital
from csss.key_checks import WrongKey
from csss.people.permissions import Permission
from csss.storage.files import CannotOpen
from csss.web.assets import init_assets
from csss.web.cookie import init_cookie
from csss.web.errors import (
    FILE_SHUT,
    SENTENCES,
    WRONG_KEY,
    conflict_page,
    error_response,
    init_errors,
    request_id,
)
from csss.web.fetch_site import init_fetch_site
from csss.web.filters import init_filters
from csss.web.guard import init_guard, is_confined
from csss.web.headers import init_headers
from csss.web.live_region.stream import init_events
from csss.web.navigation import nav_items
from csss.web.throttle import init_throttle
from csss.web.unsent import init_unsent
from csss.web.view_audit import init_watch


def init_web(app: Flask) -> None:
    """Attach cookie, guard, limits, headers, assets, filters, error pages and the blueprints."""
    init_cookie(app)
    init_headers(app)
    init_assets(app)
    init_filters(app)
    init_errors(app)
    init_events(app)
    init_fetch_site(app)
    init_guard(app)
    init_throttle(app)
    init_watch(app)
    init_unsent(app)
    _register_blueprints(app)
    app.register_error_handler(NotFound, _not_found)
    app.register_error_handler(StateConflict, _conflict)
    app.register_error_handler(CannotOpen, _cannot_open)
    app.register_error_handler(WrongKey, _wrong_key)
    app.context_processor(_template_values)


def _register_blueprints(app: Flask) -> None:
    from csss.web import colours, hospital_logo  # noqa: F401 - add their routes to `shell`
    from csss.web.account import account
    from csss.web.admin import admin
    from csss.web.assistant import assistant
    from csss.web.auth import auth
    from csss.web.critical import critical
    from csss.web.doctor import doctor
    from csss.web.files import files
    from csss.web.health import status
    from csss.web.model_cards import models
    from csss.web.model_versions import model_versions
    from csss.web.patient import patient
    from csss.web.pharmacist import pharmacist
    from csss.web.shell import shell

    for blueprint in (
        auth,
        account,
        assistant,
        patient,
        doctor,
        pharmacist,
        admin,
        critical,
        files,
        models,
        model_versions,
        status,
        shell,
    ):
        app.register_blueprint(blueprint)
    if app.debug:
        from csss.web.styleguide import styleguide

        app.register_blueprint(styleguide)


def _template_values() -> dict[str, Any]:
    settings = current_app.config["CSSS"]
    party, confined = settings.relying_party, is_confined()
    shown = hospital()
    may_read_models = current_user.may(Permission.MODEL_READ) and not confined
    return {
        "nav_items": [] if confined else nav_items(current_user),
        "models_url": url_for("models.index") if may_read_models else None,
        "passkey_origin": party.origin if party else None,
        "hospital_name": shown.name,
        "hospital_telephone": shown.telephone,
        "hospital_logo": url_for("shell.hospital_logo", number=shown.number)
        if shown.has_small_logo
        else None,
        "zone": settings.zone,
    }


def _not_found(_: NotFound) -> Response:
    return error_response(404, SENTENCES[404])


def _conflict(error: StateConflict) -> Response:
    return conflict_page(str(error))


def _cannot_open(error: CannotOpen) -> Response:
    """The log says which key is missing or which file was changed; the page says that it is not the user's fault."""
    current_app.logger.error("request %s: %s", request_id(), error)
    return error_response(503, FILE_SHUT)


def _wrong_key(error: WrongKey) -> Response:
    """A process whose key differs from the database's writes nothing; `/readyz` and the log say why."""
    current_app.logger.error("request %s: %s", request_id(), error)
    return error_response(503, WRONG_KEY)
