"""Read a CSV file that a person has saved with a spreadsheet program."""

import csv
import io
from pathlib import Path

MOST_BYTES = 20_000_000
_SHOWN = 40


class NoCSV(Exception):
    """The file cannot be read as CSV; the text is a sentence for the person at the command line."""


def read(file: Path) -> bytes:
    """The file's content, of an endless or huge one no more than is needed to refuse it. Raises OSError."""
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES + 1)


def rows(content: bytes) -> list[list[str]]:
    """The cells of each line. Spreadsheet programs part them with commas, semicolons or tabs; the first line tells.

    Raises NoCSV.
    """
    if len(content) > MOST_BYTES:
        raise NoCSV("The file is too large for a sheet.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text:
        raise NoCSV("The file is no CSV in UTF-8. Save the sheet as “CSV UTF-8”.")
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise NoCSV(f"The file is no CSV: {error}.") from error


def shown(text: str) -> str:
    """A cell as a message may show it: short, and without what a terminal would take for a command."""
    plain = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:_SHOWN]
    )
    return plain + ("…" if len(text) > _SHOWN else "")
