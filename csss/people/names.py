"""The plain form of a name, for searching and comparing. Only text: neither Flask nor the database."""

import re
import unicodedata

_DROPPED = re.compile("[.·'`´‘’‛ʹʻʼʽʾʿˈ′ꞌ׳＇]")
BETWEEN = re.compile(r"[\s,;\-‐‑‒–—−]+")
# Letters that Unicode does not decompose into a plain letter and an accent.
_PLAIN = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ħ": "h",
        "ŧ": "t",
        "ı": "i",
        "ŋ": "n",
    }
)


def plain_words(name: str) -> str:
    """The search form of a name: "Anne-Zoë O’Brien" becomes "anne zoe obrien annezoe"."""
    found, joined = [], []
    for part in name.split():
        pieces = [piece for piece in BETWEEN.split(plain(part)) if piece]
        found += pieces
        if len(pieces) > 1:
            joined.append("".join(pieces))
    return " ".join((*found, *joined))


def plain(text: str) -> str:
    """Lower case without accents, dots, apostrophes and unseen characters. Vowel signs of Indian and Thai scripts are
    not accents, so they stay."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    seen = (each for each in apart if is_seen(each) and not _is_accent(each))
    letters = "".join(seen).translate(_PLAIN)
    return unicodedata.normalize("NFC", _DROPPED.sub("", letters))


def is_seen(letter: str) -> bool:
    """False for joiners, marks of direction and the like, which copied text brings along."""
    return unicodedata.category(letter) != "Cf"


def _is_accent(letter: str) -> bool:
    """By Unicode's combining class: overlays, nuktas, Hebrew and Arabic points, and marks above or below a letter."""
    order = unicodedata.combining(letter)
    return order in (1, 7) or 10 <= order <= 36 or order >= 200
