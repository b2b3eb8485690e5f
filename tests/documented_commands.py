"""The command lines that documents show: in code blocks, and in running text where code begins like a command."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The file that a deployer reads first, and the pages that it may be divided into.
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)

_PROGRAMS = ("csss", "make", "pip", "python", "flask", "apt-get", "age", ".venv/bin/[a-z]+", "gunicorn")
_COMMAND = re.compile(rf"(?:CSSS_[A-Z_]+=\S* )*(?:{'|'.join(_PROGRAMS)}) \S")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_SHELLS = {"", "sh", "bash", "shell", "console"}


def commands(documents: Iterable[Path] = DOCUMENTS) -> dict[str, str]:
    """Every command line as it stands there, without its comment → the name of the first document that shows it."""
    found: dict[str, str] = {}
    for document in documents:
        for line in _commands_of(document.read_text("utf-8")):
            found.setdefault(line, document.name)
    return found


def _commands_of(text: str) -> Iterator[str]:
    for language, block in _BLOCK.findall(text):
        if language not in _SHELLS:
            continue
        for line in block.splitlines():
            command, _, comment = line.strip().removeprefix("$ ").partition(" #")
            # A list of folders and what is in them stands in such a block, too.
            if command and not _is_path(command.split()[0]):
                yield command.strip()
            yield from _in_text(comment)
    yield from _in_text(_BLOCK.sub("", text))


def _in_text(text: str) -> Iterator[str]:
    yield from (code for code in _CODE.findall(text) if _COMMAND.match(code))


def _is_path(word: str) -> bool:
    return "/" in word and not word.startswith(("/", ".")) and (ROOT / word).exists()


def variants(command: str) -> list[str]:
    """With nothing of what stands in brackets, and with all of it."""
    if "[" not in command or '".[' in command:
        return [command]
    without = re.sub(r"\s*\[[^]]*\]", "", command)
    return [without, re.sub(r"\[([^]]*)\]", r"\1", command)]
