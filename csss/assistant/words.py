"""Turn questions into lists of words: lower case, synonyms unified, typing errors corrected to the nearest known
word."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

_WORD = re.compile(r"[a-z0-9]+")
_VERY_NEAR = 0.8
_SHORTEST_MENDED = 4  # words of three or fewer letters are too similar to each other


def plain(text: str) -> str:
    """Lower-case letters and digits, separated by single spaces; apostrophes are removed."""
    return " ".join(_WORD.findall(text.lower().replace("’", "'").replace("'", "")))


def stem(word: str) -> str:
    """Remove endings that do not matter here: scans, sending, arrived."""
    for ending, least in (("ing", 6), ("ied", 6), ("ed", 6), ("es", 6), ("s", 4)):
        if len(word) >= least and word.endswith(ending) and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


class Vocabulary:
    """The known words. `same` maps synonyms to one of them."""

    def __init__(self, same: Mapping[str, str], common: Iterable[str]) -> None:
        self._common = frozenset(common)
        self._phrases = {plain(said): meant for said, meant in same.items() if " " in plain(said)}
        self._words = {plain(said): meant for said, meant in same.items() if " " not in plain(said)}
        self._known: set[str] = (
            set(self._words) | self._common | {w for p in self._phrases for w in p.split()}
        )
        self._only_near: set[str] = set()
        self._mend = lru_cache(maxsize=4096)(self._mended)

    def learn(self, texts: Iterable[str], *, only_near: bool = False) -> None:
        """Accept the words of these texts as correct; `only_near`: correct only very similar words to them."""
        words = {word for text in texts for word in plain(text).split()}
        if only_near:
            self._only_near |= words - self._known
        self._known |= words
        self._mend.cache_clear()

    def mended(self, text: str) -> str:
        """Replace each unknown word by the most similar known one, if there is any."""
        return " ".join(self._mend(word) for word in plain(text).split())

    def tokens(self, text: str) -> list[str]:
        """The words that tell what a (corrected) text is about, stemmed; common words only when there are no
        others."""
        text = f" {plain(text)} "
        for said, meant in self._phrases.items():
            text = text.replace(f" {said} ", f" {meant} ")
        words = [self._words.get(word, word) for word in text.split()]
        telling = [word for word in words if word not in self._common]
        return [stem(word) for word in telling or words]

    def _mended(self, word: str) -> str:
        if word in self._known or len(word) < _SHORTEST_MENDED or stem(word) in self._known:
            return word
        allowed = 0.7 if len(word) > 5 else 0.74
        found = process.extractOne(
            word,
            sorted(self._known),
            scorer=DamerauLevenshtein.normalized_similarity,
            score_cutoff=allowed,
            processor=None,
        )
        if found is None or len(found[0]) < _SHORTEST_MENDED - 1:
            return word
        return word if found[0] in self._only_near and found[1] < _VERY_NEAR else found[0]
