"""Configure gunicorn for people who start it themselves (`gunicorn wsgi:app`, in this folder); `csss web` ignores this file.

The URL of a page contains search terms such as a name or an MRN. So the access log, if enabled, shows neither query strings
nor referrers. gunicorn's own worker would answer one request at a time, and one slow connection would stop all others: the
worker is that of `csss web`, but live changes need `csss web` itself.
"""

from typing import Any

from csss.logs import ACCESS_LOG_FORMAT

access_log_format = ACCESS_LOG_FORMAT
worker_class = "csss.connections.worker.WaitingWorker"
threads = 8
http_parser = "python"  # the parser that `csss.connections` is tested with
sendfile = False  # sendfile would block on a slow reader
keepalive = 75  # longer than a proxy keeps an idle connection


def on_starting(server: Any) -> None:
    """Say what is missing."""
    server.log.warning(
        "Started by hand: pages do not change by themselves when others work, and the settings CSSS_HOST, CSSS_PORT, "
        "CSSS_WEB_* and CSSS_CONNECTIONS* do not count. `csss web` serves everything."
    )
