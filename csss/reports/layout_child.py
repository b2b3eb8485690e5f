"""Lay out a report in a child process (`csss.confinement.parent`): a sheet in, a PDF or an error message out."""

from csss.reports import render
from csss.reports.document import ReportRenderError, Sheet


def warm_up() -> None:
    render.warm_up()


def answer(request: bytes) -> bytes:
    """Return the PDF, or the reason for refusing it."""
    try:
        return render.typeset(Sheet.unpack(request))
    except ReportRenderError as error:
        return str(error).encode()
