"""The program that lays a report out in a child process (`csss.confinement.parent`): a sheet in, a PDF or a sentence out."""

from csss.reports import render
from csss.reports.document import ReportRenderError, Sheet


def warm_up() -> None:
    render.warm_up()


def answer(request: bytes) -> bytes:
    """The PDF, or why it is refused."""
    try:
        return render.typeset(Sheet.unpack(request))
    except ReportRenderError as error:
        return str(error).encode()
