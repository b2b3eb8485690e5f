"""Times, ages and sizes in words, in the hospital's time zone: filters of every template, functions for presenters."""

from datetime import date, datetime, timedelta

from flask import Flask, current_app

from csss import clock

# Written out, because strftime follows the locale of the process.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def init_filters(app: Flask) -> None:
    """Make the filters `when`, `ago`, `day`, `size` and `shorten` known to every template."""
    app.jinja_env.filters.update(when=when, ago=ago, day=day, size=size, shorten=shorten)


def day(value: date) -> str:
    """A date: 23 Nov 2026. A datetime is first taken to the hospital's zone."""
    if isinstance(value, datetime):
        value = _local(value)
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def when(value: datetime) -> str:
    """A moment in the hospital's zone: 23 Nov 2026, 14:05. Raises ValueError for a naive datetime."""
    local = _local(value)
    return f"{day(local)}, {local:%H:%M}"


def ago(value: datetime) -> str:
    """How long it has been since `value`, in the two largest units: 3 h 12 min, 2 days 5 h."""
    passed = max(clock.now() - value, timedelta())
    minutes = passed // timedelta(minutes=1)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        words = f"{days} {'day' if days == 1 else 'days'}"
        return f"{words} {hours} h" if hours and days < 10 else words
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else "under 1 min"


def size(count: int) -> str:
    """A number of bytes: 832 bytes, 214 kB, 3.4 MB (powers of ten)."""
    if count < 1_000:
        return f"{count} bytes"
    if count < 999_500:
        return f"{count / 1_000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def shorten(text: str, limit: int = 80) -> str:
    """One line of at most `limit` characters, cut at a space where there is one."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    cut = line[: limit - 1]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[limit // 2 :] else cut}…"


def _local(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time without a time zone cannot be shown")
    return value.astimezone(current_app.config["CSSS"].zone)
