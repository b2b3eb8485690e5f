"""Read the reviewed texts of one language from `topics/<language>.toml`, once."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from csss.i18n import SOURCE_LANGUAGE
from csss.people.roles import Role

_FOLDER = Path(__file__).parent / "topics"


@dataclass(frozen=True)
class Topic:
    """One question with its answer. `answer` has placeholders for settings; `links` are pairs of endpoint and text."""

    key: str
    title: str
    questions: tuple[str, ...]
    answer: str
    links: tuple[tuple[str, str], ...]
    roles: frozenset[Role]

    @property
    def ways(self) -> tuple[str, ...]:
        """All wordings of the question."""
        return (self.title, *self.questions)


@dataclass(frozen=True)
class Advice:
    """Questions that are never answered, and the reply to them."""

    title: str
    answer: str
    staff_title: str
    staff_answer: str
    emergency: str
    words: tuple[str, ...]
    patterns: tuple[str, ...]
    harmless: tuple[str, ...]


@dataclass(frozen=True)
class Texts:
    """Everything of one language."""

    topics: tuple[Topic, ...]
    advice: Advice
    same: dict[str, str]
    common: tuple[str, ...]
    ordinary: str


@cache
def read(language: str) -> Texts:
    """The texts in this language, or in English where there are none (yet). Raises ValueError when the file is
    wrong."""
    path = _FOLDER / f"{language}.toml"
    found = tomllib.loads((path if path.exists() else _FOLDER / f"{SOURCE_LANGUAGE}.toml").read_text("utf-8"))
    topics = tuple(_topic(entry) for entry in found["topic"])
    if len({topic.key for topic in topics}) != len(topics):
        raise ValueError("two topics have the same key")
    advice: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value.strip()
        for name, value in found["advice"].items()
    }
    return Texts(
        topics,
        Advice(**advice),
        {said: words[0] for words in found["same"] for said in words},
        tuple(found["common"]),
        found["ordinary"],
    )


def _topic(entry: dict[str, Any]) -> Topic:
    return Topic(
        entry["key"],
        entry["title"],
        tuple(entry["questions"]),
        entry["answer"].strip(),
        tuple((endpoint, words) for endpoint, words in entry.get("links", ())),
        frozenset(Role(role) for role in entry.get("roles", ())) or frozenset(Role),
    )
