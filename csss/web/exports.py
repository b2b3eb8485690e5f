"""Send tables as CSV (RFC 4180): streamed, and without formulas when a spreadsheet opens them."""

import csv
import io
import re
from collections.abc import Iterable, Iterator

from flask import Response, stream_with_context

from csss.web.headers import FILE_CSP

# A spreadsheet treats a cell that begins with one of these as a formula (OWASP, CSV injection); an apostrophe makes it
# text. White space and invisible characters may come before: some programs skip them.
_UNSEEN = r"[\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]*"
_DANGEROUS = re.compile(_UNSEEN + r"[=+\-@＝＋－＠]|[\t\r\n]")
_BLOCK = 200  # rows that are sent together


def inert(value: object) -> str:
    """The value as text that no spreadsheet treats as a formula; plain numbers stay numbers."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    text = "" if value is None else str(value)
    return f"'{text}" if _DANGEROUS.match(text) else text


def csv_response(name: str, heads: Iterable[str], rows: Iterable[Iterable[object]]) -> Response:
    """A file for a spreadsheet, sent while it is read. `name` is a plain ASCII file name without a suffix."""
    response = Response(stream_with_context(_lines(heads, rows)), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.headers["Content-Security-Policy"] = FILE_CSP
    return response


def _lines(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    target = io.StringIO()
    writer = csv.writer(target, quoting=csv.QUOTE_ALL)
    yield "\ufeff"  # without it, spreadsheets assume another encoding
    writer.writerow([inert(head) for head in heads])
    for number, row in enumerate(rows, start=1):
        writer.writerow([inert(cell) for cell in row])
        if number % _BLOCK == 0:
            yield target.getvalue()
            target.seek(0)
            target.truncate()
    yield target.getvalue()
