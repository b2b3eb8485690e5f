"""`GET /events`: live changes as server-sent events (what they carry: `csss.live`)."""

from collections.abc import Iterator
from typing import NoReturn

from flask import Blueprint, Flask, Response, current_app, g, make_response, request

from csss.live.hub import Hub
from csss.live.names import Listener
from csss.people.permissions import Permission
from csss.scans import queries
from csss.web.guard import me, never_extends_session, requires, user_session

HUB = "csss_live_hub"  # only in a process that `csss.server` has started
events = Blueprint("events", __name__)


class ConnectionHandedOver(Exception):
    """The connection now belongs to the hub: the worker neither answers nor closes it."""


class Detached:
    """A response body that takes the connection away from the worker when the worker starts to send it."""

    def __init__(self, hub: Hub, listener: Listener) -> None:
        self._hub, self._listener = hub, listener
        self._connection = request.environ["gunicorn.socket"]
        # Every other part of the application sets its headers before the body is requested.
        self.answer = Response(self, mimetype="text/event-stream", direct_passthrough=True)
        self.answer.headers.update({"X-Accel-Buffering": "no"})  # otherwise nginx would buffer the lines

    def __iter__(self) -> Iterator[bytes]:
        self._take_over()

    def _take_over(self) -> NoReturn:
        headers = [f"{name}: {value}" for name, value in self.answer.headers if name != "Connection"]
        head = "\r\n".join(["HTTP/1.1 200 OK", *headers, "Connection: close", "", ""])
        self._hub.adopt(self._connection, self._listener, head.encode("latin-1"))
        raise ConnectionHandedOver()


@events.get("/events")
@requires(Permission.OWN_ACCOUNT)
@never_extends_session
def stream() -> Response:
    """Open the stream; 204 where no hub exists (a development server), which tells a browser not to ask again."""
    hub: Hub | None = current_app.extensions.get(HUB)
    if hub is None:
        return make_response("", 204)
    if not hub.has_room:
        return make_response("Too many pages are open; ask again later.\n", 503, {"Retry-After": "60"})
    user = me()
    listener = Listener(user_session().id, user.role)
    if user.patient is not None:
        own = {str(scan_id) for scan_id in queries.scan_ids_of(user)}
        listener = Listener(user_session().id, user.role, str(user.patient.id), own)
    return Detached(hub, listener).answer


def init_events(app: Flask) -> None:
    """Register the address, and `live_version()`: the number of the last change that this process knew when the request
    started.

    Call it before anything that queries the database. A request sees the database as it was at its first query. If the
    number were read after that, it could be newer than the data, and an old answer would count as a new one.
    """
    app.register_blueprint(events)
    app.before_request(_note_version)
    app.jinja_env.globals["live_version"] = live_version


def live_version() -> str:
    """The number; empty outside a request, and in a process that `csss.server` has not started."""
    found: str = g.get("live_version", "")
    return found


def _note_version() -> None:
    hub: Hub | None = current_app.extensions.get(HUB)
    g.live_version = hub.version if hub is not None else ""
