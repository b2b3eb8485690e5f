"""The words for the figures of a study's report."""

from datetime import datetime, tzinfo

from csss.i18n import _
from csss.scans.presenters import KIND_NAMES, SEX_NAMES
from csss.study.calibration import Measured
from csss.study.results import StudyShare
from csss.study.roc import Area

MINUS, NO_BREAK = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f}{NO_BREAK}%"


def interval(share: StudyShare) -> str:
    """A share with its interval, as in 91.2 % (84.0 to 95.3)."""
    if share.value is None or share.low is None or share.high is None:
        return "–"
    return _(
        "%(share)s (%(low)s to %(high)s)",
        share=percent(share.value),
        low=f"{share.low * 100:.1f}",
        high=f"{share.high * 100:.1f}",
    )


def area(found: Area | None) -> str:
    if found is None:
        return _("too few to tell")
    if found.low is None or found.high is None:
        return _("%(value)s (no interval)", value=f"{found.value:.3f}")
    return _(
        "%(value)s (%(low)s to %(high)s)",
        value=f"{found.value:.3f}",
        low=f"{found.low:.3f}",
        high=f"{found.high:.3f}",
    )


def figure(found: Measured | None, *, as_percent: bool) -> str:
    """A gap in percent points, or a plain number, with its interval."""
    if found is None:
        return _("too few to tell")
    factor, digits = (100, 1) if as_percent else (1, 2)
    value, low, high = (
        f"{each * factor:.{digits}f}".replace("-", MINUS) for each in (found.value, found.low, found.high)
    )
    return _("%(value)s (%(low)s to %(high)s)", value=value, low=low, high=high)


def kind_name(kind: str) -> str:
    return next((words for each, words in KIND_NAMES.items() if each.value == kind), kind)


def group_name(about: str, name: str) -> str:
    """The words for a subgroup."""
    if about == "kind":
        return kind_name(name)
    if about == "sex":
        return next((words for each, words in SEX_NAMES.items() if each.value == name), name)
    return _("Age not known") if name == "unknown" else _("%(ages)s years", ages=name)


def moment(at: datetime, zone: tzinfo | None) -> str:
    """In the time zone of the hospital."""
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"
