"""Configure gunicorn for people who start it themselves (`gunicorn wsgi:app`, in this folder); `csss web` ignores this file.

The URL of a page contains search terms such as a name or an MRN. So the access log, if enabled, shows neither query strings
nor referrers.
"""

from csss.logs import ACCESS_LOG_FORMAT

access_log_format = ACCESS_LOG_FORMAT
