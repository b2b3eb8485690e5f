"""Configure logging, and keep user input out of logs. Database errors quote the refused row in their messages."""

import logging
import traceback
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

# For gunicorn: client, time, page, result. Not `%(r)s`, `%(q)s` or `%(f)s`: the query string contains searches for
# patients, and so does the referrer of the next request.
ACCESS_LOG_FORMAT = '%(h)s %(t)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'

_DATABASES = ("psycopg", "sqlite3")


def said(error: BaseException) -> str:
    """An error's message; for a database error only the first line, because the other lines quote values."""
    text = str(error)
    if isinstance(error, SQLAlchemyError) or type(error).__module__.partition(".")[0] in _DATABASES:
        return text.partition("\n")[0]
    return text


class Discreet(logging.Formatter):
    """Formats tracebacks so that no database error quotes a row."""

    def formatException(  # noqa: N802 - logging calls it so
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        error: BaseException | None = ei[1]
        parts: list[str] = []
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            lines = ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
            parts.append(
                f"{''.join(lines)}{type(error).__module__}.{type(error).__qualname__}: {said(error)}"
            )
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n\nwhereupon\n\n".join(reversed(parts)) if parts else ""


def init_logging() -> None:
    """Log everything to standard error, one line per entry."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for noisy in ("rq.worker", "alembic", "fontTools", "weasyprint", "pikepdf"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
