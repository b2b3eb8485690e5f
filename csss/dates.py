"""Format days and times, in the hospital's time zone and the reader's language."""

from datetime import date, datetime, time

from babel.dates import format_date
from flask import current_app

from csss.i18n import SOURCE_LANGUAGE, language

# English is written out: strftime depends on the locale of the process, and Babel is slow.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day(value: date) -> str:
    """A date: 23 Nov 2026. A datetime is first converted to the hospital's time zone."""
    if isinstance(value, datetime):
        value = in_hospital(value)
    if (tongue := language()) != SOURCE_LANGUAGE:
        return str(format_date(value, "d MMM y", locale=tongue))
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def when(value: datetime) -> str:
    """A time in the hospital's time zone: 23 Nov 2026, 14:05. Raises ValueError for a naive datetime."""
    local = in_hospital(value)
    return f"{day(local)}, {local:%H:%M}"


def in_hospital(value: datetime) -> datetime:
    """The same time in the hospital's time zone. Raises ValueError for a naive datetime."""
    if value.tzinfo is None:
        raise ValueError("a time without a time zone cannot be shown")
    return value.astimezone(current_app.config["CSSS"].zone)


def midnight(value: date) -> datetime:
    """The beginning of a day in the hospital's time zone."""
    return datetime.combine(value, time.min, current_app.config["CSSS"].zone)
