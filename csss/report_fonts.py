"""Know the report's fonts: which characters they have, and which words of a text they cannot print.

Only these fonts print a report: letters that none of them has would print as boxes. So every text is checked when
it is written, again before the release, and the finished file once more (`csss.reports.render`).
"""

import re
import unicodedata
from typing import NamedTuple

from csss.i18n import _


class Face(NamedTuple):
    """One font file in `static/fonts` for one family and weight of the report's style sheet."""

    family: str
    file: str
    weight: int


SANS, DEVANAGARI, TAMIL, SIGNS = "Report Sans", "Report Devanagari", "Report Tamil", "Report Signs"
FACES = (
    Face(SANS, "NotoSans-Regular.ttf", 400),
    Face(SANS, "NotoSans-SemiBold.ttf", 700),
    Face(DEVANAGARI, "NotoSansDevanagari-Regular.ttf", 400),
    Face(DEVANAGARI, "NotoSansDevanagari-SemiBold.ttf", 700),
    Face(TAMIL, "NotoSansTamil-Regular.ttf", 400),
    Face(TAMIL, "NotoSansTamil-SemiBold.ttf", 700),
    Face(SIGNS, "ReportSigns-Regular.ttf", 400),
)

# The characters of each family, from the files' own tables (tests/unit/test_report_fonts.py compares them). They
# are listed here so that web processes need not read fonts.
CHARACTERS = {
    SANS: (
        "20-7e a0-377 37a-37f 384-38a 38c 38e-3a1 3a3-3e1 3f0-52f 1ab0-1ac0 1ac5 1ac7-1ace 1d00-1df9 1dfb-1f15 "
        "1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57 1f59 1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fc4 1fc6-1fd3 1fd6-1fdb "
        "1fdd-1fef 1ff2-1ff4 1ff6-1ffe 2000-2064 2066-2071 2074-208e 2090-209c 20a0-20c0 20f0 2100-215f 2183-2184 "
        "2189 2212 25cc 2c60-2c7f a640-a69f a720-a7ca a7d0-a7d1 a7d3 a7d5-a7d9 a7f2-a7ff fb00-fb06 fe20-fe2f fffd"
    ),
    DEVANAGARI: "20 a0 900-97f 1cd0-1cf6 1cf8-1cf9 200b-200d 25cc a830-a839 a8e0-a8ff 11b00-11b09",
    TAMIL: (
        "20 a0 951-952 964-965 b82-b83 b85-b8a b8e-b90 b92-b95 b99-b9a b9c b9e-b9f ba3-ba4 ba8-baa bae-bb9 bbe-bc2 "
        "bc6-bc8 bca-bcd bd0 bd7 be6-bfa 1cda 200b-200d 25cc a8f3 11301 11303 1133b-1133c"
    ),
    SIGNS: (
        "20 2160-2182 2185-2188 2190-2211 2213-230b 2329-232a 2460-2473 25a0-25cb 25cd-25fc 25ff 2605-2606 2610-2612 "
        "2640-2642 266d 266f 26a0 2713-2718 27dc 27e8-27e9 27f5-27ff 299b 29a0 29a3 29b8 29f5 2a7d-2a7e 2ade "
        "2ae3-2ae5 2aee 2bfe"
    ),
}
# Characters that print nothing and need no glyph: control characters and similar ones (removed from a report
# anyway, csss.reports.document), the ideographic space, variation selectors, byte order marks and direction marks.
_NO_GLYPH = "0-1f 7f-9f 61c 2028-202e 2066-2069 3000 d800-dfff fe00-fe0f feff fffe-ffff e0100-e01ef"

_MOST_WORDS = 3  # words named in a message
_MOST_AROUND = 15  # characters shown on each side of the unprintable ones; Chinese text has no spaces


def _ranges(text: str) -> str:
    """Convert ranges of hexadecimal numbers to the inside of a regular expression's character class."""
    ends = (part.partition("-") for part in text.split())
    return "".join(f"\\U{int(first, 16):08x}-\\U{int(last or first, 16):08x}" for first, _dash, last in ends)


_LACKING = re.compile(f"[^{_ranges(' '.join([*CHARACTERS.values(), _NO_GLYPH]))}]")
# What needs a further family: the characters that the first one lacks.
_BEYOND = {
    family: re.compile(f"[{_ranges(CHARACTERS[family])}](?<![{_ranges(CHARACTERS[SANS])}])")
    for family in (DEVANAGARI, TAMIL, SIGNS)
}
_SHAPED = re.compile(f"[{_ranges('900-97f 1cd0-1cff a830-a839 a8e0-a8ff b80-bff 11300-1137f 11b00-11b09')}]")


class Unprintable(NamedTuple):
    """A word that the report cannot print, and its unprintable characters, each once."""

    word: str
    characters: str


def unprintable(text: str) -> list[Unprintable]:
    """The words of `text` with characters that the report's fonts lack, in order and each once."""
    found: dict[str, str] = {}
    end = 0
    for match in _LACKING.finditer(text):
        if match.start() < end:
            continue
        word, end = _word_around(text, match.start())
        found.setdefault(word, "".join(dict.fromkeys(_LACKING.findall(word))))
    return [Unprintable(word, characters) for word, characters in found.items()]


def _word_around(text: str, place: int) -> tuple[str, int]:
    """The word at a position of a text, shortened if it is long, and the position where it ends."""
    start = end = place
    while start > 0 and place - start < _MOST_AROUND and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and end - place < _MOST_AROUND and not text[end].isspace():
        end += 1
    return text[start:end], end


def problem(text: str) -> str | None:
    """A message that names the unprintable words; None when all of `text` can be printed."""
    found = unprintable(text)
    if not found:
        return None
    named = ", ".join(_quoted(by_number(each.word, only=_UNSEEN)) for each in found[:_MOST_WORDS])
    if len(found) > _MOST_WORDS:
        named += ", …"
    return _(
        "The report cannot print %(words)s: its fonts lack these characters. They have Latin, Greek, Cyrillic, "
        "Devanagari and Tamil letters.",
        words=named,
    )


def _quoted(word: str) -> str:
    """A word in quotation marks, isolated so that a right-to-left word does not affect the text around it."""
    turns = any(unicodedata.bidirectional(each) in {"R", "AL"} for each in word)
    return f"\N{LEFT-TO-RIGHT ISOLATE}“{word}”\N{POP DIRECTIONAL ISOLATE}" if turns else f"“{word}”"


def problems(**texts: str) -> dict[str, str]:
    """The message for each of these fields that the report cannot print."""
    return {name: sentence for name, text in texts.items() if (sentence := problem(text))}


_UNSEEN = re.compile("[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\U000e0000-\U000e0fff]")


def by_number(text: str, *, only: re.Pattern[str] = _LACKING) -> str:
    """Replace unprintable characters by their code points, as in [U+80BA], so that nothing is lost and no box is
    printed."""
    return only.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def faces_for(text: str) -> list[Face]:
    """The font files needed for a report with this text."""
    needed = {SANS, *(family for family, characters in _BEYOND.items() if characters.search(text))}
    return [face for face in FACES if face.family in needed]


def is_shaped(text: str) -> bool:
    """Whether letters of `text` join or change order when printed, so that glyphs no longer give the text."""
    return _SHAPED.search(text) is not None
