"""Render a report as PDF within limits of time and memory, so that a pathological text cannot exhaust the machine."""

from collections.abc import Callable

from jinja2 import Environment

from csss import report_fonts
from csss.confinement.child import Program
from csss.confinement.parent import Exhausted, Room, run_forked
from csss.i18n import in_english
from csss.reports.context import ReportContext
from csss.reports.document import ReportRenderError, UnprintableText, printed_text, sheet

# A report with three texts of maximum length needs 3 s and 220 MB; each further version of them needs the same
# again.
PRESS = Program(
    "csss.reports.layout_child",
    memory=800_000_000,
    cpu_seconds=40,
    seconds=50,
    largest_answer=50_000_000,
    sealed=False,  # the layout engine looks up fonts and writes copies of ours
)
MOST_HTML = 10_000_000  # characters, which is a few thousand pages

_room = Room(PRESS, at_once=1, patience=10)


def print_report(context: ReportContext, env: Environment, *, watermark: str | None = None) -> bytes:
    """For a web process: renders in a child process. Raises ReportRenderError, and what `Room.run` raises."""
    return _printed(_room.run, context, env, watermark)


def print_in_job(context: ReportContext, env: Environment) -> bytes:
    """For a worker's job, which has already loaded the layout engine. Raises ReportRenderError, Exhausted, Died."""
    return _printed(lambda request: run_forked(PRESS, request), context, env, None)


def _printed(
    run: Callable[[bytes], bytes], context: ReportContext, env: Environment, watermark: str | None
) -> bytes:
    with in_english():  # a preview shows what will be released, not the language of the reader's browser
        made = sheet(context, env, watermark=watermark)
    if len(made.html) > MOST_HTML:
        raise Exhausted(f"{len(made.html):,} characters")
    if sentence := report_fonts.problem(printed_text(made.html)):
        raise UnprintableText(sentence)
    pdf = run(made.pack())
    if not pdf.startswith(b"%PDF-"):
        raise ReportRenderError(pdf.decode(errors="replace"))
    return pdf
