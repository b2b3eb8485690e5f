"""One word for one thing: docs/glossary.md says which, and which words are refused."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg

from csss.assistant.topics import read
from tests.rules.test_languages import KEYWORDS

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs/glossary.md"
TOPICS = ROOT / "csss/assistant/topics/en.toml"
# Their words are those of reporting guidelines, or the search's: what people type is not what pages say.
LEFT_OUT = re.compile(r"csss/study/|templates/report/_?study_|templates/styleguide/")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}|“csss [^”]*”")  # also commands


def rows() -> list[tuple[str, str, list[str]]]:
    """Word, meaning, refused words."""
    found = []
    for line in GLOSSARY.read_text("utf-8").splitlines():
        if line.startswith("| ") and not line.startswith(("| ---", "| word |")):
            word, meaning, refused = (cell.strip() for cell in line.strip("| ").split(" | "))
            found.append((word, meaning, re.findall(r"`([^`]+)`", refused)))
    return found


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Every text that people see, with where it stands."""
    return tuple(_texts())


def _texts() -> Iterator[tuple[str, str]]:
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        mapping, options = parse_mapping_cfg(file)
    for folder in ("csss", "templates", "static/js"):
        below = [(pattern.removeprefix(f"{folder}/"), method) for pattern, method in mapping]
        chosen = {key.removeprefix(f"{folder}/"): value for key, value in options.items()}
        for name, _, text, _, _ in extract_from_dir(ROOT / folder, below, chosen, keywords=KEYWORDS):
            place = f"{folder}/{name}"
            if not LEFT_OUT.match(place):
                yield from ((place, one) for one in ((text,) if isinstance(text, str) else text) if one)
    for topic in read("en").topics:
        yield f"help: {topic.key}", topic.title
        yield f"help: {topic.key}", topic.answer


@pytest.mark.parametrize("refused", [each for row in rows() for each in row[2]])
def test_a_refused_word_stands_nowhere(refused: str) -> None:
    # Capitals count where a word is written with them: "AI" is refused, "ai" is no word.
    flags = 0 if refused.isupper() else re.IGNORECASE
    pattern = re.compile(rf"\b{re.escape(refused)}(s|es|d|ed)?\b", flags)
    found = [f"{place}: {text}" for place, text in texts() if pattern.search(PLACEHOLDER.sub("", text))]
    assert not found, "\n".join(found)


def test_the_help_explains_the_words_as_the_glossary_does() -> None:
    answers = " ".join(topic.answer for topic in read("en").topics)
    for word in ("findings", "impression", "diagnosis", "verify", "sign", "complete", "approve", "release"):
        (meaning,) = [row[1] for row in rows() if row[0] == word]
        assert meaning in answers, f"the help says something else about “{word}” than: {meaning}"


def test_what_the_help_names_is_called_so_on_the_pages() -> None:
    """A name in quotation marks is a button, a heading, a status or a link."""
    shown = " ".join(text for place, text in texts() if not place.startswith("help: "))
    answers = [(each["key"], each["answer"]) for each in tomllib.loads(TOPICS.read_text("utf-8"))["topic"]]
    missing = [
        f"{key}: {name}"
        for key, answer in answers
        for name in re.findall(r"“([^”]+)”", answer)
        if not name.startswith("csss ") and _plain(name) not in _plain(shown)
    ]
    assert not missing, "\n".join(missing)


def _plain(text: str) -> str:
    """Without the numbers, which the help leaves out, and in one kind of quotation marks."""
    text = PLACEHOLDER.sub("…", text).replace("'", "’")
    return " ".join(text.split()).rstrip(".,").lower()
