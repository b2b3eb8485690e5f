"""What is written into logs: never what people typed. Databases quote the refused row in their messages."""

import logging
import traceback
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

# For gunicorn: from where, when, which page, with what outcome. Not `%(r)s`, `%(q)s` or `%(f)s`: a search for a patient
# stands in the query string, and so in the referrer of the next request.
ACCESS_LOG_FORMAT = '%(h)s %(t)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'

_DATABASES = ("psycopg", "sqlite3")


def said(error: BaseException) -> str:
    """What an error says of itself; of a database's error only the first line, since the others quote values."""
    text = str(error)
    if isinstance(error, SQLAlchemyError) or type(error).__module__.partition(".")[0] in _DATABASES:
        return text.partition("\n")[0]
    return text


class Discreet(logging.Formatter):
    """Tracebacks in which no error of the database quotes a row."""

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
    """Everything to standard error, a line each."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for noisy in ("rq.worker", "alembic", "fontTools", "weasyprint", "pikepdf"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
