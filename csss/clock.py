"""The one place that asks what time it is, so that everything agrees on aware UTC times."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current time, aware, in UTC, to the microsecond."""
    return datetime.now(UTC)
