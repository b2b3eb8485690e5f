"""Refuse passwords of the wrong length, and passwords that attackers try first.

NIST SP 800-63B requires a comparison with known passwords, and forbids composition rules. Published lists of stolen
passwords come without a licence, and only their entries of twelve or more characters would matter here. Nearly all
of these follow a few rules, so this module has the rules instead of a list: repetitions, keyboard walks, and one or
two common words with digits and signs around them. We chose the words ourselves.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from csss.i18n import gettext

PASSWORD_MIN, PASSWORD_MAX = 12, 128
PRODUCT = "csss"
_SHORTEST_OWN_WORD = 4  # "Ann" and "Lee" occur in many words

# In lower case, as people write them in passwords.
_COMMON_WORDS = """
password passwort passwd pass passphrase secret geheim letmein welcome willkommen login logmein signin access changeme
changeit default master admin administrator root user username test testing tester temp temporary guest demo system
service server computer internet network windows microsoft google facebook samsung apple android iphone linux ubuntu
qwerty qwertz azerty asdf zxcv iloveyou loveyou love lover lovely forever always together sunshine princess angel
baby honey sweet sweetie sweetheart beautiful happy smile family mother father mommy daddy sister brother friend
friends bestfriend monkey dragon tiger lion eagle panther shadow killer hunter ranger ninja samurai phoenix wolf
butterfly flower rose cookie chocolate cheese banana orange cherry peanut pepper ginger hello hallo goodbye
superman batman spiderman starwars pokemon naruto matrix minecraft football baseball basketball hockey soccer cricket
tennis liverpool chelsea arsenal barcelona realmadrid manchester manutd juventus yankees lakers cowboys freedom
america india china london paris berlin delhi mumbai chennai bangalore kolkata tamil hindi jesus christ jesuschrist
heaven blessed godisgood godislove krishna ganesh shiva sairam allah trustno trustnoone whatever nothing something
blink fuckyou fuckoff asshole bitch money dollar million lucky winner number numberone summer winter spring autumn
january february march april june july august september october november december monday tuesday wednesday
thursday friday saturday sunday charlie michael jordan michelle jessica ashley daniel jennifer nicole anthony
joshua matthew andrew thomas robert william alexander christopher hospital clinic doctor nurse medical health
radiology xray
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_WALKS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "qsdfghjklm",
    "zxcvbnm",
    "yxcvbnm",
    "wxcvbn",
    "!@#$%^&*()",
    # Down and up the columns of the keyboard.
    *("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik,", "9ol.", "0p;/"),
    "q1w2e3r4t5y6u7i8o9p0",
    "1a2b3c4d5e6f7g8h9i0j",
)
_SHORTEST_WALK = 3
_LONGEST_UNIT = 11  # a long password that is typed twice is not refused
_READ_AS = str.maketrans("013457@$!€", "oieastasie")


def password_problem(password: str, *, about: Iterable[str] = ()) -> str | None:
    """The message when a new password is refused, or None.

    `about` are names and addresses of the person, which must not be the core of the password.
    """
    if len(password) < PASSWORD_MIN:
        return gettext(
            "The password needs at least %(least)s characters; this one has %(count)s.",
            least=PASSWORD_MIN,
            count=len(password),
        )
    if len(password) > PASSWORD_MAX:
        return gettext(
            "The password can have at most %(most)s characters; this one has %(count)s.",
            most=PASSWORD_MAX,
            count=len(password),
        )
    text = unicodedata.normalize("NFKC", password).casefold()
    if _repeats(text):
        return gettext("This password repeats itself, so it is easy to guess. Choose another one.")
    if _is_walk(text) or _is_common(text):
        return gettext(
            "This is one of the passwords that attackers try first. Choose another one, such as a few words that do not "
            "belong together."
        )
    if _rests_on(text, about):
        return gettext(
            "This password is based on your name, your e-mail address or the name of this system. Choose another one."
        )
    return None


def _repeats(text: str) -> bool:
    """Repetition, as in `aaaaaaaaaaaa` or `abc1abc1abc1`, or only a few different characters."""
    units = (text[:length] for length in range(1, min(_LONGEST_UNIT, len(text) // 2) + 1))
    return len(set(text)) < 5 or any((unit * len(text)).startswith(text) for unit in units)


def _is_walk(text: str) -> bool:
    """A walk along the keyboard, the alphabet or the digits, forwards or backwards, in any number of pieces."""
    return any(form and _consists_of_walks(form) for form in (text, text.strip("0123456789")))


def _consists_of_walks(text: str) -> bool:
    at = 0
    while at < len(text):
        length = _walk_from(text, at)
        if length < _SHORTEST_WALK:
            return False
        at += length
    return True


def _walk_from(text: str, at: int) -> int:
    longest = 1
    while at + longest < len(text) and text[at : at + longest + 1] in _walked():
        longest += 1
    return longest


@cache
def _walked() -> frozenset[str]:
    """Every piece of every walk."""
    lines = {*_WALKS, *(line[::-1] for line in _WALKS)}
    return frozenset(
        line[start:end]
        for line in lines
        for start in range(len(line))
        for end in range(start + 1, len(line) + 1)
    )


def _is_common(text: str) -> bool:
    """At most two common words, with digits and signs before, between and after them; `p@ssw0rd` counts as the word
    it looks like."""
    middle = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", text)
    plain, read = re.sub(r"[\W\d_]", "", middle), re.sub(r"[\W\d_]", "", middle.translate(_READ_AS))
    return any(letters and _common_words(letters) <= 2 for letters in (plain, read))


def _common_words(letters: str) -> float:
    """The number of common words that these letters consist of; infinite when they contain other words."""
    fewest: list[float] = [0.0]
    for end in range(1, len(letters) + 1):
        found = (fewest[start] + 1 for start in range(end) if _is_known(letters[start:end]))
        fewest.append(min(found, default=float("inf")))
    return fewest[-1]


def _is_known(letters: str) -> bool:
    return letters in _COMMON or (len(letters) >= _SHORTEST_WALK and letters in _walked())


def _rests_on(text: str, about: Iterable[str]) -> bool:
    """Whether too few letters and digits for a password remain without the person's own words and the product's
    name."""
    read = text.translate(_READ_AS)
    for form in (text, read):
        left = form
        for word in sorted(_own_words(about), key=len, reverse=True):
            left = left.replace(word, "")
        if left != form and len(re.sub(r"[\W_]", "", left)) < PASSWORD_MIN:
            return True
    return False


def _own_words(about: Iterable[str]) -> set[str]:
    words = {PRODUCT}
    for text in about:
        small = unicodedata.normalize("NFKC", text).casefold()
        words |= {small, *re.split(r"[\W\d_]+", small), *re.split(r"\s+", small)}
    return {word for word in words if len(word) >= _SHORTEST_OWN_WORD}
