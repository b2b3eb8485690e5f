"""Times, ages, sizes and choices in words: filters of every template, functions for presenters."""

from datetime import datetime, timedelta

from flask import Flask
from markupsafe import Markup, escape

from csss import clock
from csss.dates import day, when
from csss.i18n import _, _n
from csss.scans.presenters import AGREEMENT_NAMES, KIND_NAMES


def init_filters(app: Flask) -> None:
    """Make the filters known to every template."""
    app.jinja_env.filters.update(when=when, ago=ago, day=day, size=size, shorten=shorten, address=address)
    app.jinja_env.filters.update(kind_name=KIND_NAMES.__getitem__, agreement_name=AGREEMENT_NAMES.__getitem__)


def ago(value: datetime) -> str:
    """How long it has been since `value`, in the two largest units: 3 h 12 min, 2 days 5 h."""
    passed = max(clock.now() - value, timedelta())
    minutes = passed // timedelta(minutes=1)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        if hours and days < 10:
            return _n("%(num)s day %(hours)s h", "%(num)s days %(hours)s h", days, hours=hours)
        return _n("%(num)s day", "%(num)s days", days)
    if hours:
        if minutes:
            return _("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes)
        return _("%(hours)s h", hours=hours)
    return _("%(minutes)s min", minutes=minutes) if minutes else _("under 1 min")


def size(count: int) -> str:
    """A number of bytes: 832 bytes, 214 kB, 3.4 MB (powers of ten)."""
    if count < 1_000:
        return _("%(count)s bytes", count=count)
    if count < 999_500:
        return _("%(count)s kB", count=f"{count / 1_000:.0f}")
    return _("%(count)s MB", count=f"{count / 1_000_000:.1f}")


def shorten(text: str, limit: int = 80) -> str:
    """One line of at most `limit` characters, cut at a space where there is one."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    cut = line[: limit - 1]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[limit // 2 :] else cut}…"


def address(email: str) -> Markup:
    """An e-mail address that a narrow column wraps before the @ and before a dot, not within a word."""
    return Markup(str(escape(email)).replace("@", "<wbr>@").replace(".", "<wbr>."))  # noqa: S704 - escaped  # nosec B704
