"""Find the topic that a question is about, among those for the user's role."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from csss.assistant.topics import Advice, Texts, Topic, read
from csss.assistant.words import Vocabulary, plain, stem
from csss.people.roles import Role

SURE = 0.505  # minimum score for an answer; measured by tests/unit/test_assistant.py
ALIKE = (
    0.6  # weight of the similarity to one wording; the rest is the share of the question's words in the topic
)
NEAR = 0.2  # minimum score for naming a topic
NEAREST = 3


class AnswerKind(StrEnum):
    ANSWER = "answer"
    REFUSAL = "refusal"  # it asks for advice on a case
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """The result for a question: the topic when it is answered, otherwise the nearest ones (perhaps none)."""

    kind: AnswerKind
    topic: Topic | None = None
    nearest: tuple[Topic, ...] = ()


def answer(question: str, role: Role, language: str = "en") -> Answer:
    """Answer this question. It is neither stored nor logged."""
    return _index(language, role).answer(question)


def topics_for(role: Role, language: str = "en") -> Sequence[Topic]:
    """All topics for people of this role, in the order of the file."""
    return _index(language, role).topics


@cache
def _index(language: str, role: Role) -> "Index":
    return Index(read(language), role)


class Index:
    """The topics of one role in one language, ready to be searched."""

    def __init__(self, texts: Texts, role: Role) -> None:
        self.topics = tuple(topic for topic in texts.topics if role in topic.roles)
        self._vocabulary = Vocabulary(texts.same, texts.common)
        for topic in texts.topics:
            self._vocabulary.learn(topic.ways)
        self._vocabulary.learn([texts.ordinary])
        self._vocabulary.learn(texts.advice.words, only_near=True)
        self._refuses = _Refusals(texts.advice)
        self._ways = [
            (topic, tokens) for topic in self.topics for way in topic.ways if (tokens := self._tokens(way))
        ]
        self._words = {
            topic.key: {word for way in topic.ways for word in plain(way).split()} for topic in self.topics
        }
        self._all = {
            topic.key: self._tokens(" ".join(topic.ways)) | self._tokens(topic.answer)
            for topic in self.topics
        }
        known: Counter[str] = Counter()
        for topic in self.topics:
            known.update({token for way in topic.ways for token in self._tokens(way)})
        count = len(self.topics)
        self._weights = {token: math.log(1 + count / number) for token, number in known.items()}
        self._weight_of_unknown = math.log(1 + count) * 0.75

    def answer(self, question: str) -> Answer:
        """See `answer` of this module."""
        mended = self._vocabulary.mended(question)
        ranked = self._ranked(mended)
        best, score = ranked[0] if ranked else (None, 0.0)
        known = self._words[best.key] if best is not None and score >= SURE else set()
        if self._refuses.case(plain(question), known) or self._refuses.case(mended, known):
            return Answer(AnswerKind.REFUSAL)
        if best is not None and score >= SURE:
            return Answer(AnswerKind.ANSWER, best)
        near = tuple(topic for topic, reached in ranked[:NEAREST] if reached >= NEAR)
        return Answer(AnswerKind.UNKNOWN, nearest=near)

    def _tokens(self, text: str) -> frozenset[str]:
        return frozenset(self._vocabulary.tokens(text))

    def _ranked(self, mended: str) -> list[tuple[Topic, float]]:
        """Rank topics by the overlap of question and wording; each word is weighted by how distinctive it is."""
        asked = self._tokens(mended)
        if not asked:
            return []
        best: dict[str, tuple[Topic, float]] = {}
        weight = sum(self._weight(token) for token in asked)
        for topic, tokens in self._ways:
            shared = sum(self._weight(token) for token in asked & tokens)
            if not shared:
                continue
            alike = 2 * shared / (weight + sum(self._weight(token) for token in tokens))
            covered = sum(self._weight(token) for token in asked & self._all[topic.key]) / weight
            score = ALIKE * alike + (1 - ALIKE) * covered
            if topic.key not in best or best[topic.key][1] < score:
                best[topic.key] = (topic, score)
        return sorted(best.values(), key=lambda each: -each[1])

    def _weight(self, token: str) -> float:
        return self._weights.get(token, self._weight_of_unknown)


class _Refusals:
    """Recognises questions about a case. When in doubt it refuses: a wrong refusal costs a phone call."""

    def __init__(self, advice: Advice) -> None:
        self._patterns = [re.compile(pattern) for pattern in advice.patterns]
        self._harmless = [re.compile(pattern) for pattern in advice.harmless]
        self._words = {stem(word) for word in advice.words if " " not in word}
        self._phrases = [plain(word) for word in advice.words if " " in word]

    def case(self, text: str, known: set[str]) -> bool:
        """Whether this text asks about a case; `known` are the words of the topic that answers it."""
        if any(pattern.search(text) for pattern in self._harmless):
            return False
        if any(pattern.search(text) for pattern in self._patterns):
            return True
        mentioned = {word for word in text.split() if word not in known and stem(word) in self._words}
        return bool(mentioned) or any(f" {phrase} " in f" {text} " for phrase in self._phrases)
