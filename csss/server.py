"""Serving the pages with gunicorn."""

import gc
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from csss import create_app
from csss.config import Settings


class _Server(BaseApplication):
    """gunicorn with our settings; threads, because a page spends its time waiting for the database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        values: dict[str, Any] = {
            "bind": f"{self._settings.host}:{self._settings.port}",
            "workers": self._settings.web_processes,
            "threads": self._settings.web_threads,
            "worker_class": "gthread",
            "timeout": 60,
            "graceful_timeout": 10,
            "keepalive": 30,
            "proc_name": "csss-web",
            # Proxies are trusted as CSSS_TRUSTED_PROXIES says (ProxyFix), not by gunicorn.
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
        }
        for name, value in values.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        app = create_app(self._settings)
        settle()
        return app


def settle() -> None:
    """Keep the garbage collector off what has just been loaded for good; it costs a page several milliseconds."""
    gc.collect()
    gc.freeze()


def serve(settings: Settings) -> None:
    """Serve until told to stop. Everything that can be wrong with the app shows before gunicorn starts."""
    _Server(settings).run()
