"""The report of a study as a document: HTML that stands by itself, PDF/A, and the figures as JSON."""

import hashlib
from functools import cache
from pathlib import Path

import weasyprint
from flask import current_app
from flask_babel.speaklater import LazyString

from csss.i18n import _, _l, in_english
from csss.paths import STATIC, private_folder, write_private
from csss.reports.document import ReportRenderError
from csss.reports.render import HandedOverFiles, press
from csss.study import words
from csss.study.checklists import ChecklistItem, checklists
from csss.study.document_rows import rows
from csss.study.plots import interval_mark, reliability_plot, roc_plot
from csss.study.protocol import StudyRefused
from csss.study.report_data import StudyReport
from csss.study.results import FEW

SECTIONS: tuple[tuple[str, LazyString], ...] = (
    ("summary", _l("Summary")),
    ("question", _l("Question and protocol")),
    ("scans", _l("Scans and patients")),
    ("reference", _l("Reference standard")),
    ("result", _l("Main result")),
    ("classes", _l("Results by class")),
    ("calibration", _l("Calibration")),
    ("subgroups", _l("Subgroups")),
    ("readers", _l("Agreement of readers")),
    ("change", _l("Readings with the classifier")),
    ("methods", _l("Methods")),
    ("limits", _l("Limits")),
    ("hospital", _l("For the hospital to fill in")),
    ("checklists", _l("Checklists")),
)
_NUMBERS = {name: number for number, (name, _title) in enumerate(SECTIONS, start=1)}


def write(report: StudyReport, folder: Path) -> list[Path]:
    """report.html, report.pdf and figures.json in `folder`. Raises StudyRefused, OSError."""
    page, sheets = html(report), _styles_text()
    number = hashlib.sha256(f"{report.registration.sha256} {report.made_at}".encode()).digest()[:16]
    try:
        pdf = press(page, {}, _styles(), number)
    except ReportRenderError as error:
        raise StudyRefused(f"The report cannot be printed: {error}") from error
    private_folder(folder)
    found = {
        "report.html": page.replace("</head>", f"<style>\n{sheets}</style>\n</head>", 1).encode(),
        "report.pdf": pdf,
        "figures.json": report.to_json().encode(),
    }
    for name, content in found.items():
        write_private(folder / name, content)
    return [folder / name for name in found]


def html(report: StudyReport) -> str:
    """The document without its styles. In English, as every report."""
    results = report.results
    with in_english():
        return current_app.jinja_env.get_template("report/study_report.html").render(
            report=report,
            protocol=report.protocol,
            results=results,
            readers=report.readers,
            sections=[(_NUMBERS[name], name, str(title)) for name, title in SECTIONS],
            checklists=checklists(),
            where=where,
            percent=words.percent,
            interval=words.interval,
            area=words.area,
            figure=words.figure,
            moment=lambda at: words.moment(at, report.made_at.tzinfo),
            few=FEW,
            **rows(report),
            roc=roc_plot(results) if results else None,
            reliability=reliability_plot(results.calibration.bins) if results else None,
            mark=interval_mark,
            created=report.made_at.isoformat(timespec="seconds"),
        )


@cache
def _styles_text() -> str:
    return (STATIC / "css" / "study.css").read_text("utf-8")


@cache
def _styles() -> weasyprint.CSS:
    return weasyprint.CSS(string=_styles_text(), url_fetcher=HandedOverFiles({}))


def where(item: ChecklistItem) -> str:
    """Where the report answers an item of a checklist."""
    parts = [
        _("%(number)s %(title)s", number=_NUMBERS[name], title=title)
        for each in item.where
        for name, title in SECTIONS
        if name == each != "hospital"
    ]
    if "title" in item.where:
        parts.insert(0, _("Title"))
    if "card" in item.where:
        parts.append(_("Model card"))
    if "hospital" in item.where:
        parts.append(_("For the hospital to fill in"))
    return "; ".join(parts)
