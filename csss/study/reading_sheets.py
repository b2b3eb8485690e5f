"""Reading sheets as they come back: every line is checked, and what is wrong is told with its line number."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from csss import csv_files
from csss.audit.record import About, record
from csss.csv_files import shown
from csss.database import transaction
from csss.scans.presenters import human_name
from csss.study.erased import take_out
from csss.study.protocol import UNREADABLE, StudyRefused
from csss.study.study_folder import ReaderSheet, StudyFolder

_MOST_TOLD = 20


class SheetRefused(StudyRefused):
    """A sheet with mistakes; the text has a line for each of the first ones."""


@dataclass(frozen=True)
class ReadSheet:
    """What a sheet says: study number → class."""

    classes: dict[str, str]
    blank: int
    withdrawn: int


def read_in(study: StudyFolder, content: bytes, reader: str, *, aided: bool) -> tuple[ReaderSheet, ReadSheet]:
    """Check a sheet and keep it as a further version. Raises StudyRefused."""
    study.check_there()
    with (
        study.alone()
    ):  # else an erasure meanwhile would leave what is read in now, and two imports one version
        return _read_in(study, content, reader, aided=aided)


def _read_in(
    study: StudyFolder, content: bytes, reader: str, *, aided: bool
) -> tuple[ReaderSheet, ReadSheet]:
    take_out(study)
    protocol = study.protocol()
    if reader not in protocol.everybody:
        raise StudyRefused(f"{reader} is none of the readers of this study: {', '.join(protocol.everybody)}.")
    words = {name: human_name(name) for name in protocol.classes} | {UNREADABLE: UNREADABLE}
    sha256 = hashlib.sha256(content).hexdigest()
    for each in study.all_readings():
        if each.sha256 == sha256 and each.reader != reader:
            raise StudyRefused(
                f"This very file was read in as the sheet of {each.reader}, and {reader} reads alone."
            )
    found = parse(content, set(study.scans()), set(study.withdrawn()), words, reader)
    kept = study.add_readings(reader, aided=aided, sha256=sha256, classes=found.classes)
    with transaction():
        record(
            "study.read_in",
            About("study", study.name),
            reader=reader,
            with_classifier=aided,
            version=kept.version,
            sha256=kept.sha256,
            scans=len(found.classes),
        )
    return kept, found


def parse(
    content: bytes, numbers: set[str], withdrawn: set[str], words: Mapping[str, str], reader: str
) -> ReadSheet:
    """`words`: the classes that may be written, each with its name for people. A sheet that names its reader in a column
    must name this one. Raises SheetRefused."""
    rows = _rows(content)
    head = _head(rows)
    at_number, at_reading = head.index("number"), head.index("reading")
    known = {_folded(each): name for name, title in words.items() for each in (name, title)}
    classes: dict[str, str] = {}
    first_line: dict[str, int] = {}
    problems: list[str] = []
    blank = gone = 0
    for line, row in enumerate(rows[1:], start=2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) <= max(at_number, at_reading):
            problems.append(f"Line {line}: it has {len(cells)} columns, and the first line has {len(head)}.")
            continue
        number, said = cells[at_number].upper(), cells[at_reading]
        if number in first_line:
            problems.append(f"Line {line}: {number} stands in line {first_line[number]} already.")
        elif number in withdrawn:
            gone += 1
        elif number not in numbers:
            problems.append(
                f"Line {line}: there is no scan {shown(number) or 'without a number'} in this study."
            )
        elif (whose := _reader(head, cells) or reader).casefold() != reader.casefold():
            problems.append(f"Line {line}: it is of the sheet of {shown(whose)}, and not of {reader}.")
        elif not said:
            blank += 1
        elif _folded(said) not in known:
            problems.append(f"Line {line}: “{shown(said)}” cannot be read. Write one of: {', '.join(words)}.")
        else:
            classes[number] = known[_folded(said)]
        first_line.setdefault(number, line)
    if problems:
        rest = [f"… and {len(problems) - _MOST_TOLD} more."] if len(problems) > _MOST_TOLD else []
        raise SheetRefused("\n".join(["Nothing was taken over.", *problems[:_MOST_TOLD], *rest]))
    if not classes:
        raise SheetRefused("The sheet holds no reading: the column “reading” is blank in every line.")
    return ReadSheet(classes, blank, gone)


def _head(rows: list[list[str]]) -> list[str]:
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "number" not in head or "reading" not in head:
        raise SheetRefused('Line 1: it must name the columns, among them "number" and "reading".')
    return head


def _reader(head: list[str], cells: list[str]) -> str:
    """Whose sheet the line is of; nothing where the sheet does not say."""
    at = head.index("reader") if "reader" in head else len(cells)
    return cells[at] if at < len(cells) else ""


def _rows(content: bytes) -> list[list[str]]:
    try:
        return csv_files.rows(content)
    except csv_files.NoCSV as error:
        raise SheetRefused(str(error)) from error


def _folded(text: str) -> str:
    return " ".join(text.replace("_", " ").casefold().split())
