"""Ask for the current time in one place, so that all code uses aware UTC times."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

_shift: ContextVar[timedelta] = ContextVar("csss_clock_shift", default=timedelta())


def now() -> datetime:
    """The current time, aware, in UTC, to the microsecond."""
    return datetime.now(UTC) + _shift.get()


@contextmanager
def pretending(moment: datetime) -> Iterator[None]:
    """Pretend that it is `moment`, and time goes on from there: for the demo's past, and for tests. Not for
    production."""
    token = _shift.set(moment - datetime.now(UTC))
    try:
        yield
    finally:
        _shift.reset(token)
