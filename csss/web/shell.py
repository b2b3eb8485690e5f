"""What makes the site installable: the service worker and the page it shows without a connection. And its colours."""

import hashlib
import json

from flask import Blueprint, Response, current_app, make_response, render_template, url_for

from csss.paths import STATIC
from csss.people.permissions import PUBLIC
from csss.web.assets import TYPES, squeeze_js
from csss.web.guard import requires

shell = Blueprint("shell", __name__)

_WORKER = STATIC / "js/worker/sw.js"
_KEPT = ("app.css", "app.js", "icons.svg", "favicon.svg")


@shell.get("/sw.js")
@requires(PUBLIC)
def worker() -> Response:
    """The service worker, with the list of files it keeps; its version follows from their content and its own."""
    asset = current_app.jinja_env.globals["asset"]
    offline_url = url_for("shell.offline")
    files = [offline_url, *(asset(name) for name in _KEPT)]  # type: ignore[operator]
    source = squeeze_js(_WORKER.read_text("utf-8"))
    page = render_template("shell/offline.html")
    version = hashlib.sha256("\n".join([*files, source, page]).encode()).hexdigest()[:12]
    values = {"VERSION": version, "OFFLINE": offline_url, "SHELL": files}
    head = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    return make_response(head + source, 200, {"Content-Type": TYPES[".js"]})


@shell.get("/offline")
@requires(PUBLIC)
def offline() -> Response:
    """A short page with "try again". It is the same for everybody: the service worker stores it."""
    return make_response(render_template("shell/offline.html"))
