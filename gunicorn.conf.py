"""For those who start gunicorn themselves (`gunicorn wsgi:app`, in this folder), which reads this file; `csss web` does not.

What somebody searches for, a name or an MRN, stands in the address of a page: an access log, where one is asked for, shows
neither query strings nor referrers.
"""

from csss.logs import ACCESS_LOG_FORMAT

access_log_format = ACCESS_LOG_FORMAT
