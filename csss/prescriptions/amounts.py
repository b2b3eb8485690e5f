"""Parse amounts of a medicine: "500 mg", "2 x 0.5 g", "1-2 tablets", "½ tablet", "5 ml (250 mg/5 ml)", "10 IU".

It only parses; `dose_checks` decides whether an amount suits a medicine. Numbers are exact (`Fraction`).
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any

from csss.prescriptions.units import COUNTED, MEDICINE, Measure, Unit, find, unit_pattern

MOST = 200  # maximum characters to parse: no field accepts more


class Per(StrEnum):
    """What an amount refers to, such as a kilogram or an hour."""

    DOSE = "dose"
    DAY = "day"
    HOUR = "hour"
    MINUTE = "minute"


class Trouble(StrEnum):
    """Why a text contains no dose."""

    NO_NUMBER = "no number"
    NO_UNIT = "no unit"
    NOT_POSITIVE = "not positive"
    UNCLEAR = "unclear digit"


@dataclass(frozen=True)
class Amount:
    """`number` is in mg, units, mmol, ml or percent, or a count of `unit`; for a range, the maximum.

    `in_ml` is the volume that contains it, for a concentration such as 250 mg/5 ml.
    """

    number: Fraction
    unit: Unit
    per: Per = Per.DOSE
    per_kg: bool = False
    per_m2: bool = False
    in_ml: Fraction | None = None

    @property
    def measure(self) -> Measure:
        return self.unit.measure


@dataclass(frozen=True)
class Dose:
    """The content of a text: all amounts in order, and the trouble when it contains no dose."""

    amounts: tuple[Amount, ...] = ()
    trouble: Trouble | None = None

    def first(self, *measures: Measure) -> Amount | None:
        """The greatest amount in one of these measures; concentrations only when there is nothing else."""
        found = [each for each in self.amounts if each.measure in measures]
        plain = [each for each in found if each.in_ml is None] or found
        return max(plain, key=lambda each: each.number, default=None)

    @property
    def concentration(self) -> Amount | None:
        return next((each for each in self.amounts if each.in_ml), None)


_WORDS = {
    **{
        "half": "1/2",
        "quarter": "1/4",
        "one": "1",
        "two": "2",
        "three": "3",
        "four": "4",
        "five": "5",
        "six": "6",
    },
    **{"seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12"},
}
_INDIAN = r"\d{1,2}(?:,\d{2})+,\d{3}"  # 1,00,000
_ONE = rf"(?:{_INDIAN}(?!\d)|\d{{1,3}}(?:[, ]\d{{3}})+(?:\.\d+)?(?!\d)|\d+\.\d{{3}}(?:\.\d{{3}})+|\d+(?:[.,]\d+)?|[.,]\d+)"
_NUMBER = rf"(?:\d+\s+[1-9]\d?/[1-9]\d?(?!\d)|{_ONE}(?:/{_ONE})*)"
_RANGE = rf"{_NUMBER}(?:\s*(?:-|to|or)\s*{_NUMBER})*"
_TIMES = {"million": 10**6, "mega": 10**6, "mio": 10**6, "thousand": 1000, "lakh": 100_000, "crore": 10**7}
_TOKEN = re.compile(
    rf"""(?<![^\W_])(?<!\d[.,])
    (?:(?P<times>{_ONE})\s*[x*]\s*)?
    (?P<range>{_RANGE})\s*-?\s*
    (?:(?P<many>{"|".join(_TIMES)})s?\s*)?
    (?P<unit>{unit_pattern()})(?![^\W\d_])
    (?P<rest>(?:\s*(?:/|per\b|a\b(?=\s*day))\s*(?:24\s*h(?:ours|rs|r)?|kg|m2|day|d|h|hr|hour|min|minute|dose
        |(?:{_ONE}\s*)?ml)\b)*)
    (?P<in>\s*in\s+(?P<volume>{_ONE})\s*ml\b)?
    (?:\s*[x*]\s*(?P<again>\d+)(?!\s*(?:/|d\b|day|w\b|week|time|month|h\b|hour)))?
    (?P<each>\s+each\b)?""",
    re.VERBOSE,
)
_APPLIED = re.compile(r"\b(?:apply|thin(?:ly)?|sparing(?:ly)?|small amount|pea[- ]sized?|fingertip|layer)\b")
_OF = re.compile(r"\s*(?:of|@|à)\s*(?:a\s+)?")
_PLUS = re.compile(r"\s*(?:\+|/|and|plus)\s*")
_A_PIECE = re.compile(rf"\ban?\s+(?=(?:{unit_pattern(COUNTED)})\b)")


_UNCLEAR = "\N{REPLACEMENT CHARACTER}"  # stands for a digit whose place in the number cannot be told


def read(text: str) -> Dose:
    """Parse the amounts in a text. Without one, the trouble says what is missing."""
    plain = normal(text)
    tokens = list(_TOKEN.finditer(plain))
    if _UNCLEAR in plain or _has_minus(plain, tokens):
        return Dose(trouble=Trouble.UNCLEAR if _UNCLEAR in plain else Trouble.NOT_POSITIVE)
    amounts = [_amount(token) for token in tokens]
    if not amounts:
        if re.search(r"\d", plain):
            return Dose(trouble=Trouble.NO_UNIT)
        if _APPLIED.search(plain):
            return Dose((Amount(Fraction(1), find("application")),))
        return Dose(trouble=Trouble.NO_NUMBER)
    if any(amount.number <= 0 for amount in amounts):
        return Dose(trouble=Trouble.NOT_POSITIVE)
    return Dose(tuple(_joined(plain, tokens, amounts)))


def _has_minus(plain: str, tokens: "list[re.Match[str]]") -> bool:
    """Whether a number is negative: a hyphen before it that follows no other amount ("5 mg - 10 mg")."""
    ends = {token.end() for token in tokens} | {token.end("unit") for token in tokens}
    for sign in re.finditer(r"(?<!\w)-\s*(?=[\d.,])", plain):
        before = plain[: sign.start()].rstrip()
        if not before or (not sign[0].endswith(" ") and len(before) not in ends):
            return True
    return False


def normal(text: str) -> str:
    """Normalise: lower case, one kind of digits, minus, times sign and space; fractions and number words as digits.

    A raised, lowered or circled digit becomes a sign that nothing reads: "500²" is not 5002. "m²" is a square metre. So
    does an exponent. What nobody sees between two digits is no gap: 510 mg with a soft hyphen in it is not 10 mg.
    """
    text = "".join(each for each in text[:MOST] if unicodedata.category(each) != "Cf")
    text = _EXPONENT.sub(_UNCLEAR, text)
    text = _APOSTROPHE.sub("", text)
    text = "".join(
        _UNCLEAR if _is_unclear(each, before) else each
        for before, each in zip(f" {text[:MOST]}", text[:MOST], strict=False)
    )
    apart = "".join(
        f" {each} " if "⁄" in unicodedata.normalize("NFKC", each) else each
        for each in text.replace("\u2044", "/")
    )
    plain = unicodedata.normalize("NFKC", apart).casefold().replace("⁄", "/")
    plain = "".join(str(unicodedata.decimal(each, each)) for each in plain)
    plain = (
        re.sub(r"[−–—‐‑‒﹣➖]|\bminus\b", "-", plain).replace("×", "x").replace("٫", ".").replace("٬", ",")
    )
    plain = re.sub(r"\b(?:a|an|one)\s+(half|quarter)\b", r"\1", plain)
    plain = re.sub(r"\b(half|quarter)\s+(?:of\s+)?an?\b", r"\1", plain)
    plain = re.sub(r"\b(one|two|three|four|five|six)\s+(?=\d)", lambda found: f"{_WORDS[found[1]]} x ", plain)
    plain = re.sub(rf"\b(?:{'|'.join(_WORDS)})\b", lambda found: _WORDS[found[0]], plain)
    plain = _A_PIECE.sub("1 ", plain)
    plain = re.sub(r"(?<=\d)·(?=\d)", ".", plain)  # 0·5, as British journals write
    plain = re.sub(r"(?<=\d)\s*\.{2,}\s*(?=\d)", "-", plain)  # 5…10
    return " ".join(plain.split())


_EXPONENT = re.compile(r"(?<=\d)\s?[eE]\s?[+\-−]?(?=\d)")
_APOSTROPHE = re.compile(r"(?<=\d)['’ʼ`´′](?=\d{3}(?!\d))")  # 1'500, as in Switzerland


def _is_unclear(letter: str, before: str) -> bool:
    if unicodedata.category(letter) in ("Mn", "Me") and before.isdigit():
        return True
    if unicodedata.category(letter) != "No" or (letter in "²³" and before in "mM"):
        return False
    plain = unicodedata.normalize("NFKC", letter)
    return "⁄" not in plain and any(each.isdigit() for each in plain)


def number_of(text: str) -> Fraction:
    """Parse one number: "1,000" is a thousand, "0,5" and "2,5" are decimal, "1 1/2" is one and a half."""
    if "/" in text:
        whole, _, part = text.rpartition(" ")
        above, below = part.split("/")
        return Fraction(whole or 0) + Fraction(above) / max(Fraction(below), Fraction(1, 10**9))
    text = text.replace(" ", "")
    if text.count(".") > 1:  # 1.000.000
        text = text.replace(".", "")
    if re.fullmatch(_INDIAN, text):
        return Fraction(text.replace(",", ""))
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", text):
        return Fraction(text.replace(",", ""))
    return Fraction(text.replace(",", ".") if text.count(",") == 1 else text.replace(",", ""))


def _amount(token: "re.Match[str]") -> Amount:
    unit = find(token["unit"])
    number = max(_one(each, unit) for each in re.split(r"\s*(?:-|to|or)\s*", token["range"]))
    number *= unit.factor * _TIMES.get(token["many"] or "", 1)
    number *= number_of(token["times"]) if token["times"] else 1
    number *= int(token["again"]) if token["again"] else 1
    return Amount(number, unit, **_rest(token))


def _one(text: str, unit: Unit) -> Fraction:
    """Parse a number, a fraction ("1/2 tablet"), or the sum of a combination's parts ("500/125 mg")."""
    parts = text.split("/")
    if len(parts) == 1:
        return number_of(text)
    small = len(parts) == 2 and re.fullmatch(r"(?:\d+ )?\d/[2-8]", text)
    above, below = number_of(parts[0].rpartition(" ")[2]), number_of(parts[-1])
    if small and above < below and (unit.measure in (Measure.COUNT, Measure.VOLUME) or below in (2, 4)):
        return number_of(text)
    return sum((number_of(part) for part in parts), Fraction(0))


def _rest(token: "re.Match[str]") -> dict[str, Any]:
    rest = token["rest"] or ""
    found: dict[str, Any] = {}
    for words, per in (
        (r"24\s*h|\bday|\bd\b", Per.DAY),
        (r"(?<!24)(?<!24 )\bh(?:ou)?r?\b", Per.HOUR),
        (r"\bmin", Per.MINUTE),
    ):
        if re.search(words, rest):
            found["per"] = per
            break
    found["per_kg"], found["per_m2"] = "kg" in rest, "m2" in rest
    if inside := re.search(rf"({_ONE})?\s*ml\b", rest):
        found["in_ml"] = number_of(inside[1]) if inside[1] else Fraction(1)
    return found


def _joined(plain: str, tokens: "list[re.Match[str]]", amounts: list[Amount]) -> list[Amount]:
    """Combine amounts: "2 tablets of 500 mg" are 1 g, and "1 g + 200 mg" are 1.2 g; separate amounts stay separate."""
    joined: list[Amount] = []
    for place, (token, amount) in enumerate(zip(tokens, amounts, strict=True)):
        before = joined[-1] if joined else None
        between = plain[tokens[place - 1].end() : token.start()] if place else ""
        if before is None or amount.measure not in MEDICINE:
            joined.append(amount)
        elif before.measure is Measure.COUNT and (_OF.fullmatch(between) or token["each"]):
            joined.append(replace(amount, number=amount.number * before.number))
        elif before.measure is amount.measure and before.in_ml == amount.in_ml and _PLUS.fullmatch(between):
            joined[-1] = replace(amount, number=before.number + amount.number)
        else:
            joined.append(amount)
    return joined
