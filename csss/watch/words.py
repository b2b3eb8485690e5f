"""Say what is watched and what has changed. Stored alarms hold numbers; every sentence is made for its reader."""

from datetime import datetime

from babel.dates import format_date

from csss.dates import day, in_hospital
from csss.i18n import SOURCE_LANGUAGE, _, _l, language
from csss.scans.presenters import Words, human_name
from csss.scans.states import ScanKind
from csss.watch.figures import LEVELS, Figure
from csss.watch.models import WatchAlarm

_NAMES: Words[Figure] = Words(
    {
        Figure.REFUSED: _l("Refused as unlike"),
        Figure.UNCERTAIN: _l("Uncertain, of those not refused"),
        Figure.AGREEMENT: _l("Doctors agree with a certain answer"),
        Figure.JPEG: _l("JPEG pictures"),
        Figure.SIXTEEN_BITS: _l("Pictures with sixteen bits"),
        Figure.MEAN_GREY: _l("Mean grey (0 black, 1 white)"),
        Figure.CONTRAST: _l("Contrast (standard deviation)"),
        Figure.SIZE: _l("Size (megapixels)"),
        Figure.SHAPE: _l("Width by height"),
        Figure.OUTLIER_SCORE: _l("Outlier score"),
    }
)
_SHORT: Words[Figure] = Words(
    {
        Figure.MEAN_GREY: _l("mean grey"),
        Figure.CONTRAST: _l("contrast"),
        Figure.SIZE: _l("size in megapixels"),
        Figure.SHAPE: _l("width by height"),
        Figure.OUTLIER_SCORE: _l("outlier score"),
    }
)
PICTURES: Words[ScanKind] = Words(
    {
        ScanKind.CHEST_XRAY: _l("pictures of chest X-rays"),
        ScanKind.CARDIAC_MRI: _l("pictures of cardiac MRI"),
    }
)
_CHANGES: Words[tuple[Figure, bool]] = Words(
    {
        (Figure.REFUSED, True): _l(
            "Since %(day)s more %(pictures)s are refused as unlike those it learned from"
        ),
        (Figure.REFUSED, False): _l(
            "Since %(day)s fewer %(pictures)s are refused as unlike those it learned from"
        ),
        (Figure.UNCERTAIN, True): _l(
            "Since %(day)s the classifier is more often uncertain about %(pictures)s"
        ),
        (Figure.UNCERTAIN, False): _l(
            "Since %(day)s the classifier is less often uncertain about %(pictures)s"
        ),
        (Figure.AGREEMENT, True): _l(
            "Since %(day)s doctors agree more often with the classifier on %(pictures)s"
        ),
        (Figure.AGREEMENT, False): _l(
            "Since %(day)s doctors agree less often with the classifier on %(pictures)s"
        ),
        (Figure.JPEG, True): _l(
            "Since %(day)s more %(pictures)s come as JPEG, so their source may be another"
        ),
        (Figure.JPEG, False): _l(
            "Since %(day)s fewer %(pictures)s come as JPEG, so their source may be another"
        ),
        (Figure.SIXTEEN_BITS, True): _l(
            "Since %(day)s more %(pictures)s have sixteen bits, so their source may be another"
        ),
        (Figure.SIXTEEN_BITS, False): _l(
            "Since %(day)s fewer %(pictures)s have sixteen bits, so their source may be another"
        ),
        (Figure.ANSWER, True): _l("Since %(day)s “%(answer)s” is answered more often for %(pictures)s"),
        (Figure.ANSWER, False): _l("Since %(day)s “%(answer)s” is answered less often for %(pictures)s"),
        (Figure.MEAN_GREY, True): _l("Since %(day)s %(pictures)s are brighter"),
        (Figure.MEAN_GREY, False): _l("Since %(day)s %(pictures)s are darker"),
        (Figure.CONTRAST, True): _l("Since %(day)s %(pictures)s have more contrast"),
        (Figure.CONTRAST, False): _l("Since %(day)s %(pictures)s have less contrast"),
        (Figure.SIZE, True): _l("Since %(day)s %(pictures)s are larger"),
        (Figure.SIZE, False): _l("Since %(day)s %(pictures)s are smaller"),
        (Figure.SHAPE, True): _l("Since %(day)s %(pictures)s are wider for their height"),
        (Figure.SHAPE, False): _l("Since %(day)s %(pictures)s are narrower for their height"),
        (Figure.OUTLIER_SCORE, True): _l("Since %(day)s %(pictures)s resemble those it learned from less"),
        (Figure.OUTLIER_SCORE, False): _l("Since %(day)s %(pictures)s resemble those it learned from more"),
    }
)


def name(figure: Figure, answer: str = "") -> str:
    """What is watched, as the head of a row."""
    if figure is Figure.ANSWER:
        return _("Answer “%(answer)s”", answer=human_name(answer))
    return _NAMES[figure]


def number(value: float) -> str:
    """A median: three digits are enough."""
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.2f}"


def percent(share: float) -> str:
    """A share; small ones to a tenth."""
    text = f"{100 * share:.1f}" if 0 < share < 0.1 or 0.9 < share < 1 else f"{100 * share:.0f}"
    return f"{text}\u00a0%"


def sentence(alarm: WatchAlarm) -> str:
    """What has changed, since when and from what to what."""
    change = _CHANGES[alarm.figure, alarm.higher] % {
        "day": _day(alarm.since, alarm.opened_at),
        "pictures": PICTURES[alarm.kind],
        "answer": human_name(alarm.answer) if alarm.answer else "",
    }
    return _("%(change)s: %(figures)s.", change=change, figures=_figures(alarm))


def _figures(alarm: WatchAlarm) -> str:
    if alarm.figure not in LEVELS:
        return _("%(now)s instead of %(was)s", now=percent(alarm.now), was=percent(alarm.was))
    short, now, was = _SHORT[alarm.figure], number(alarm.now), number(alarm.was)
    # The middle may be the same although a part of the pictures is quite different.
    moved = now != was and (alarm.now > alarm.was) == alarm.higher
    if moved or alarm.edge is None or alarm.share_was is None or alarm.share_now is None:
        return _("%(figure)s %(now)s instead of %(was)s", figure=short, now=now, was=was)
    if alarm.higher:
        return _(
            "%(figure)s above %(edge)s in %(now)s instead of %(was)s",
            figure=short,
            edge=number(alarm.edge),
            now=percent(1 - alarm.share_now),
            was=percent(1 - alarm.share_was),
        )
    return _(
        "%(figure)s at most %(edge)s in %(now)s instead of %(was)s",
        figure=short,
        edge=number(alarm.edge),
        now=percent(alarm.share_now),
        was=percent(alarm.share_was),
    )


def _day(since: datetime, opened: datetime) -> str:
    """12 March; with the year when it is another one."""
    local = in_hospital(since)
    if local.year != in_hospital(opened).year:
        return day(since)
    return str(format_date(local, "d MMMM", locale=language() or SOURCE_LANGUAGE))
