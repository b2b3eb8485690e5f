"""Serving the pages with gunicorn, and the open streams of live changes beside it in the same process."""

import gc
import resource
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from csss import create_app
from csss.audit.settings_changes import record_settings
from csss.config import Settings
from csss.connections.worker import Connection, WaitingWorker
from csss.database import db
from csss.keys.start import check_keys_if_it_answers, refuse_wrong_keys
from csss.live.hub import Hub
from csss.live.living_sessions import alive_in
from csss.logs import ACCESS_LOG_FORMAT
from csss.scans import intake
from csss.web.live_region.stream import HUB, ConnectionHandedOver
from csss.web.live_region.turns import RefreshesInTurn, Turns

_OTHER_FILES = 200  # database, Redis, storage, log, libraries


class Worker(WaitingWorker):
    """gunicorn's threads for pages. A request that opens a stream gives its connection to the hub and its thread back.

    So 100 open streams hold no thread, and no stream is ever waited for when the worker stops.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: Settings = self.app.settings
        # All of a proxy's visitors come from its address.
        self.most_of_one = None if settings.trusted_proxies else settings.connections_of_one_address

    def handle_request(self, req: Any, conn: Connection) -> bool:
        try:
            return bool(super().handle_request(req, conn))
        except ConnectionHandedOver:
            conn.given_away = True
            return False


class _Server(BaseApplication):
    """gunicorn with our settings; threads, because a page spends its time waiting for the database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        values: dict[str, Any] = {
            "bind": f"{self.settings.host}:{self.settings.port}",
            "workers": self.settings.web_processes,
            "threads": self.settings.web_threads,
            "worker_class": Worker,
            "worker_connections": self.settings.connections,
            "http_parser": "python",  # the one that `csss.connections` is tested with
            "sendfile": False,  # it would wait for the reader
            "timeout": 60,
            "graceful_timeout": 10,
            # Longer than a proxy keeps an idle connection (a minute as a rule): whoever closes first must not be the one
            # that is being asked. Found with fifty people who look every 30 s, at 30 s here: one of 6,900 got no answer.
            "keepalive": 75,
            "proc_name": "csss-web",
            # Proxies are trusted as CSSS_TRUSTED_PROXIES says (ProxyFix), not by gunicorn.
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
            # None is written unless somebody wants one; then it names no patient.
            "access_log_format": ACCESS_LOG_FORMAT,
        }
        for name, value in values.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called in each worker process, after the fork: threads and connections are its own."""
        app = create_app(self.settings)
        with app.app_context():
            check_keys_if_it_answers()
            record_settings("web")
            db.engine.dispose()
        turns = Turns(self.settings.web_threads // 2)
        app.wsgi_app = RefreshesInTurn(app.wsgi_app, turns)  # type: ignore[method-assign]
        start_hub(app)
        intake.warm_up()
        settle()
        return app


def start_hub(app: Flask) -> Hub:
    """Let this process hold streams: as many as the settings say, and as the system lets it open files."""
    settings: Settings = app.config["CSSS"]
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = settings.connections + _OTHER_FILES
    wanted = settings.live_streams + others
    if least != resource.RLIM_INFINITY and least < wanted:
        least = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
    room = settings.live_streams if least == resource.RLIM_INFINITY else least - others
    hub = Hub(settings.redis_url, alive_in(app), ceiling=max(0, min(settings.live_streams, room)))
    app.extensions[HUB] = hub
    hub.start()
    return hub


def settle() -> None:
    """Keep the garbage collector off what has just been loaded for good; it costs a page several milliseconds."""
    gc.collect()
    gc.freeze()


def serve(settings: Settings) -> None:
    """Serve until told to stop. Everything that can be wrong with the app shows before gunicorn starts.

    Raises WrongKey.
    """
    refuse_wrong_keys(settings)
    _Server(settings).run()
