"""Serve the pages with gunicorn, and the open streams of live changes in the same process."""

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

_OTHER_FILES = 200  # open files for database, Redis, storage, log, libraries


class Worker(WaitingWorker):
    """gunicorn's threads for pages. A request that opens a stream gives its connection to the hub and releases its
    thread.

    So 100 open streams occupy no thread, and a stopping worker never waits for a stream.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: Settings = self.app.settings
        # Behind a proxy, all visitors come from the proxy's address.
        self.most_of_one = None if settings.trusted_proxies else settings.connections_of_one_address

    def handle_request(self, req: Any, conn: Connection) -> bool:
        try:
            return bool(super().handle_request(req, conn))
        except ConnectionHandedOver:
            conn.given_away = True
            return False


class _Server(BaseApplication):
    """gunicorn with our settings; it uses threads, because a page mostly waits for the database."""

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
            "http_parser": "python",  # the parser that `csss.connections` is tested with
            "sendfile": False,  # sendfile would block on a slow reader
            "timeout": 60,
            "graceful_timeout": 10,
            # Longer than a proxy keeps an idle connection (usually a minute). If we closed first, a request could
            # arrive on a connection that is being closed. With 30 s here, and fifty people who poll every 30 s, one
            # of 6,900 requests got no answer.
            "keepalive": 75,
            "proc_name": "csss-web",
            # CSSS_TRUSTED_PROXIES decides which proxies are trusted (ProxyFix), not gunicorn.
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
            # There is no access log unless somebody enables it; then it names no patient.
            "access_log_format": ACCESS_LOG_FORMAT,
        }
        for name, value in values.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called in each worker process after the fork, so that it has its own threads and connections."""
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
    """Let this process serve streams, up to the setting and to the system's limit of open files."""
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
    """Exclude the loaded modules from garbage collection, which would cost a page several milliseconds."""
    gc.collect()
    gc.freeze()


def serve(settings: Settings) -> None:
    """Serve until told to stop. Errors of the app show before gunicorn starts.

    Raises WrongKey.
    """
    refuse_wrong_keys(settings)
    _Server(settings).run()
