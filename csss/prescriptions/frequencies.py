"""Parse how often a medicine is taken on a day on which it is taken: "twice a day", "1-0-1", "every 8 hours",
"weekly"."""

import re
from fractions import Fraction

from csss.prescriptions.amounts import normal

_OFTEN = {
    **{"once": 1, "twice": 2, "thrice": 3},
    **{"od": 1, "qd": 1, "bd": 2, "bid": 2, "bds": 2, "tds": 3, "tid": 3, "qds": 4, "qid": 4},
    **{"mane": 1, "nocte": 1, "hs": 1, "qhs": 1, "om": 1, "on": 1, "stat": 1},
}
_TIMES = re.compile(r"(\d+(?:\.\d+)?)(?:\s*(?:-|to|or)\s*(\d+(?:\.\d+)?))?\s*(?:x|times?|doses?)\b(?!\s*\d)")
_A_DAY = re.compile(r"(\d+)(?:\s*(?:-|to)\s*(\d+))?\s*(?:/|per\b|a\b)\s*(?:d|day|24\s*h\w*)\b")
_HOURS = re.compile(
    r"(?:every|each|q)\s*(\d+(?:\.\d+)?)(?:\s*(?:-|to)\s*\d+(?:\.\d+)?)?\s*(?:h|hr|hrs|hour|hours|hourly)\b"
    r"|(\d+(?:\.\d+)?)(?:\s*(?:-|to)\s*\d+)?\s*-?\s*(?:hourly|hrly)\b"
)
_MINUTES = re.compile(r"(?:every|each|q)\s*(\d+)\s*min")
_BY_DAYS = re.compile(r"(?<![\d.])(\d{1,2})\s*x\s*\d{1,2}(?![\d.])")  # 3x1
_PATTERN = re.compile(r"(?<![\d/.-])(\d(?:[./]\d)?)((?:\s*-\s*\d(?:[./]\d)?){2,3})(?![\d/])")
_DAY_PARTS = (
    r"\b(?:morning|breakfast|mane|am)\b",
    r"\b(?:noon|midday|lunch|afternoon)\b",
    r"\b(?:evening|dinner|supper|pm)\b",
    r"\b(?:night|bedtime|nocte|sleep)\b",
)
_RARELY = re.compile(
    r"\b(?:weekly|fortnightly|monthly|(?:a|per|every|each|once) (?:\d+ )?(?:week|fortnight|month)s?"
    r"|every (?:other|second|third) day|alternate days?|every (?:[2-9]|\d\d+) (?:days|weeks|months)"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|(?:mon|tue|wed|thu|fri|sat|sun)\b)"
)
_SINGLE = re.compile(
    r"\b(?:single dose|one dose|1 dose|1 time|stat|immediately|now|pre-?op\w*|before (?:the )?\w+)\b"
)
_DAILY = re.compile(r"\b(?:daily|every day|each day|a day|per day|/day|every 24 h\w*|at (?:night|bedtime))\b")
_CONTINUOUS = re.compile(r"\b(?:continuous(?:ly)?|infusion|infused)\b")


def times_a_day(text: str) -> Fraction | None:
    """The greatest number of doses on one day: 6 for "every 4 to 6 hours", 1 for "once a week".

    None when it is unknown: "as needed", or words that are not understood.
    """
    plain = (
        normal(text)
        .replace("q.", "q")
        .replace(".", "" if re.search(r"\b[a-z]\.[a-z]\.", normal(text)) else ".")
    )
    found = [*_by_pattern(plain), *_by_hours(plain), *_by_count(plain)]
    if found:
        return 1 * max(found)
    parts = sum(bool(re.search(part, plain)) for part in _DAY_PARTS)
    if parts:
        return Fraction(parts)
    if re.search(r"\b(?:with|before|after|at)(?: (?:the|each|every|main|all))* (?:meals?|food)\b", plain):
        return Fraction(3)
    if re.search(r"\bhourly\b|\bevery hour\b", plain):
        return Fraction(24)
    if _RARELY.search(plain) or _DAILY.search(plain) or _SINGLE.search(plain) or _CONTINUOUS.search(plain):
        return Fraction(1)
    return None


_WEEK = re.compile(
    r"\b(?:weekly|(?:a|per|every|each) (?:week|7 days)|(?:mon|tues|wednes|thurs|fri|satur|sun)days?)\b"
)
_OFTENER = re.compile(r"\b(?:twice|thrice|daily|days? a week|[2-9] (?:times|x|days)|every day)\b|\b[2-9]x")


def is_once_a_week(text: str) -> bool:
    """Whether a frequency says once a week: "weekly", "once a week", "every Monday"."""
    plain = normal(text)
    return bool(_WEEK.search(plain)) and not _OFTENER.search(plain)


def _by_pattern(plain: str) -> list[Fraction]:
    """Parse 1-0-1: morning, noon, evening, night."""
    return [
        sum((Fraction(each) for each in re.split(r"\s*-\s*", found[1] + found[2])), Fraction(0))
        for found in _PATTERN.finditer(plain)
    ]


def _by_hours(plain: str) -> list[Fraction]:
    hours = [Fraction(found[1] or found[2]) for found in _HOURS.finditer(plain)]
    hours += [Fraction(int(found[1]), 60) for found in _MINUTES.finditer(plain)]
    return [max(Fraction(24) / each, Fraction(1)) for each in hours if each > 0]


def _by_count(plain: str) -> list[Fraction]:
    counts = [Fraction(found[2] or found[1]) for found in (*_TIMES.finditer(plain), *_A_DAY.finditer(plain))]
    counts += [Fraction(found[1]) for found in _BY_DAYS.finditer(plain)]
    words = re.findall(r"[a-z]+", plain)
    counts += [Fraction(_OFTEN[word]) for word in words if word in _OFTEN and _counts(word, plain)]
    if counts and _RARELY.search(plain) and not _DAILY.search(plain):
        return [Fraction(1)]  # "twice a week": once on such a day
    return [each for each in counts if each > 0]


def _counts(word: str, plain: str) -> bool:
    """Whether the word means a frequency here: "on" is an ordinary word, too."""
    return plain == word or word not in ("on", "om", "hs")
