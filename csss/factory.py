"""Create the Flask application and attach its parts."""

from typing import Any

from flask import Flask
from flask_migrate import Migrate
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix

from csss.all_tables import load_models
from csss.config import Settings, load_settings
from csss.i18n import init_i18n
from csss.paths import MIGRATIONS, TEMPLATES

# The largest request: a DICOM file will have 64 MB. Each form checks its own smaller limit and reports it beside
# the field; this only stops requests that no form needs.
MAX_REQUEST = 70_000_000


def create_app(settings: Settings | None = None, *, development: bool = False, pages: bool = True) -> Flask:
    """Create the complete application. Workers and commands run in it without its `pages`, which take as long to load as
    all the rest.

    Only `csss.development` sets `development`: a forgotten FLASK_DEBUG in the environment must not enable a
    debugger or show a traceback.
    """
    settings = settings or load_settings()
    app = Flask("csss", template_folder=str(TEMPLATES), static_folder=None)
    app.debug = development
    app.config.update(_flask_config(settings))
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    _attach_database(app)
    attach_services(app, settings)
    init_i18n(app)
    if pages:
        _attach_web(app, settings)
    return app


def _flask_config(settings: Settings) -> dict[str, Any]:
    prefix = "__Host-" if settings.https else ""
    return {
        "CSSS": settings,
        "SECRET_KEY": settings.secret(),
        "SQLALCHEMY_DATABASE_URI": settings.database,
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "pool_pre_ping": True,
            "hide_parameters": True,  # user input belongs in the database, not in the log
        },
        "MAX_CONTENT_LENGTH": MAX_REQUEST,
        "MAX_FORM_MEMORY_SIZE": 1_000_000,
        "MAX_FORM_PARTS": 500,
        "PREFERRED_URL_SCHEME": "https" if settings.https else "http",
        "SESSION_COOKIE_NAME": f"{prefix}csss",
        "SESSION_COOKIE_SECURE": settings.https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": "/",
        # A form that was left open over lunch can still be submitted: the token lives as long as the session.
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_SSL_STRICT": False,  # the token and the Sec-Fetch headers ensure same-origin
        "COMPRESS_ALGORITHM": ["br", "gzip"],
        "COMPRESS_BR_LEVEL": 5,
    }


def _attach_database(app: Flask) -> None:
    from csss.database import db

    load_models()
    db.init_app(app)
    Migrate(app, db, directory=str(MIGRATIONS), render_as_batch=True)


def attach_services(app: Flask, settings: Settings) -> None:
    """Storage, mail, Redis, live changes and counters: what an application may exchange while it is in use."""
    from csss.jobs.queues import init_jobs
    from csss.live.publish import init_live
    from csss.notices.channels.email import init_mail
    from csss.storage import open_storage
    from csss.throttle.storage import init_store

    app.extensions["csss_storage"] = open_storage(settings)
    init_mail(app)
    init_jobs(app)
    init_live(app)
    init_store(app)


def _attach_web(app: Flask, settings: Settings) -> None:
    from flask_compress import Compress
    from flask_wtf import CSRFProtect

    from csss.web import init_web
    from csss.web.hosts import ReadableHost

    app.wsgi_app = ReadableHost(app.wsgi_app, settings.base_url)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    CSRFProtect(app)
    Compress(app)
    init_web(app)
