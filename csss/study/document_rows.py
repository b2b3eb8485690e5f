"""The rows of the tables in a study's report, and the sentences that depend on how the study was set up."""

from collections.abc import Sequence
from typing import Any

from csss.i18n import _
from csss.scans.presenters import human_name
from csss.study.agreement import Kappa
from csss.study.protocol import Protocol, SampleKind
from csss.study.reader_results import ReaderResults
from csss.study.report_data import StudyReport
from csss.study.results import Accuracy, Results, StudyShare
from csss.study.words import MINUS, area, group_name, interval, moment, percent

Cells = list[str | int]


def rows(report: StudyReport) -> dict[str, Any]:
    """By the names that the templates use."""
    protocol, found = report.protocol, report.results
    return {
        "targets": ", ".join(human_name(name) for name in protocol.target),
        "all_classes": "; ".join(human_name(name) for name in protocol.classes),
        "sampling_words": _sampling(protocol),
        "reference_words": _reference(protocol),
        "flow": _flow(report),
        "people": _people(report),
        "sheets": _sheets(report),
        "reader_rows": _readers(report.readers),
        "kappa_rows": _kappas(report.readers),
        "change_rows": _changes(report.readers),
        "routine_rows": _routine(report.readers),
        "to_fill_in": _to_fill_in(),
        "groups": [(each, group_name(each.about, each.name)) for each in found.subgroups] if found else [],
        **(_of_results(protocol, found) if found else {}),
    }


def _of_results(protocol: Protocol, found: Results) -> dict[str, Any]:
    width = protocol.wanted_width or 1.0
    return {
        "predictive_rows": _predictive(found),
        "reached": all(_width(each) <= width for each in (found.main.sensitivity, found.main.specificity)),
        "treatments": [
            _treatment(_("count as the class that leads (main result)"), found.main),
            _treatment(_("left out"), found.accepted),
            _treatment(_("each counted as wrong"), found.against),
        ],
        "prevalence_rows": [
            [
                percent(each.prevalence),
                _between(each.ppv, each.ppv_low, each.ppv_high),
                _between(each.npv, each.npv_low, each.npv_high),
            ]
            for each in found.at_prevalences
        ],
        "class_rows": [
            [
                human_name(each.label),
                each.scans,
                interval(each.table.sensitivity),
                interval(each.table.specificity),
                interval(each.table.ppv),
                area(each.area),
            ]
            for each in found.classes
        ],
        "reference_rows": [[human_name(name), number] for name, number in found.reference_classes.items()],
        **_confusion(found),
    }


def _predictive(found: Results) -> list[Cells]:
    """For the summary: at the stated prevalence where there is one, else in the sample."""
    at = found.at_stated_prevalence
    tells = (
        _("of 100 scans that it calls positive, how many are"),
        _("of 100 scans that it calls negative, how many are"),
    )
    if at is None:
        return [
            [_("Positive predictive value"), tells[0], interval(found.main.ppv)],
            [_("Negative predictive value"), tells[1], interval(found.main.npv)],
        ]
    where = _("where %(prevalence)s of all scans are positive", prevalence=percent(at.prevalence))
    return [
        [_("Positive predictive value"), f"{tells[0]}, {where}", _between(at.ppv, at.ppv_low, at.ppv_high)],
        [_("Negative predictive value"), f"{tells[1]}, {where}", _between(at.npv, at.npv_low, at.npv_high)],
    ]


def _width(share: StudyShare) -> float:
    return 1.0 if share.low is None or share.high is None else share.high - share.low


def _between(value: float | None, low: float, high: float) -> str:
    return _(
        "%(share)s (%(low)s to %(high)s)",
        share=percent(value),
        low=f"{low * 100:.1f}",
        high=f"{high * 100:.1f}",
    )


def _treatment(words: str, table: Accuracy) -> Cells:
    shares = (table.sensitivity, table.specificity, table.ppv, table.npv)
    return [words, table.scans, *map(interval, shares)]


def _confusion(found: Results) -> dict[str, Any]:
    answers = sorted({answer for row in found.confusion.values() for answer in row})
    return {
        "confusion_heads": ["", *map(human_name, answers)],
        "confusion_rows": [
            [human_name(truth), *(row.get(answer, 0) for answer in answers)]
            for truth, row in found.confusion.items()
        ],
    }


def _sampling(protocol: Protocol) -> str:
    how = {
        SampleKind.RANDOM: _("drawn by chance with the seed %(seed)s", seed=protocol.seed),
        SampleKind.STRATIFIED: _(
            "drawn by chance with the seed %(seed)s, with the make-up of all scans by kind, sex and age",
            seed=protocol.seed,
        ),
        SampleKind.CONSECUTIVE: _("taken in the order in which they were sent"),
    }[protocol.sampling]
    return _("%(how)s; one scan of each patient", how=how) if protocol.one_a_patient else how


def _reference(protocol: Protocol) -> str:
    names = ", ".join(protocol.readers)
    if len(protocol.readers) == 1:
        return _("The reading of %(reader)s is the reference.", reader=names)
    if protocol.adjudicator:
        return _(
            "The readers %(readers)s read every scan alone. Where all of them agree, their reading is the reference; "
            "where they differ, the reading of the adjudicator %(adjudicator)s is.",
            readers=names,
            adjudicator=protocol.adjudicator,
        )
    return _(
        "The readers %(readers)s read every scan alone. The class that more than half of them chose is the reference; "
        "a scan without such a class has none.",
        readers=names,
    )


def _flow(report: StudyReport) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """What a box of the diagram says, its number, and who was left out on the way to the next."""
    flow = report.protocol.flow
    lost = report.without_reference
    return [
        (
            _("scans of the span"),
            flow.in_span,
            [
                (_("without an answer of this version"), flow.without_answer),
                (_("closed by a doctor without a reading"), flow.closed),
                (_("further scans of the same patient"), flow.further_of_patient),
            ],
        ),
        (
            _("scans that could be drawn"),
            flow.eligible,
            [(_("not drawn"), flow.eligible - flow.drawn)],
        ),
        (
            _("scans in the sample"),
            flow.drawn,
            [
                (_("withdrawn, because their patients were erased"), report.withdrawn),
                (_("not read by everybody who had to"), lost["not_read"]),
                (_("without agreement of the readers"), lost["no_agreement"]),
                (_("unreadable"), lost["unreadable"]),
            ],
        ),
        (_("scans analysed"), report.with_reference, []),
    ]


def _people(report: StudyReport) -> list[Cells]:
    return [
        [group_name(about, name), number, percent(number / report.in_study)]
        for about, groups in report.people.items()
        for name, number in sorted(groups.items(), key=lambda each: each[0])
    ]


def _sheets(report: StudyReport) -> list[Cells]:
    protocol = report.protocol
    parts = {
        **dict.fromkeys(protocol.readers, _("reference")),
        protocol.adjudicator: _("adjudicator"),
        **dict.fromkeys(protocol.observers, _("observer")),
    }
    return [
        [
            each.reader,
            _("%(part)s, with the classifier", part=parts[each.reader]) if each.aided else parts[each.reader],
            each.version,
            moment(each.read_in_at, report.made_at.tzinfo),
            each.scans,
        ]
        for each in report.sheets
    ]


def _readers(found: ReaderResults) -> list[Cells]:
    return [
        [
            each.reader,
            each.read,
            each.unreadable,
            interval(each.right),
            _("yes") if each.part_of_it else _("no"),
        ]
        for each in found.readers
    ]


def _kappas(found: ReaderResults) -> list[Cells]:
    pairs: Sequence[tuple[str, Kappa | None]] = [
        *(
            (_("%(first)s and %(second)s", first=each.first, second=each.second), each.kappa)
            for each in found.pairs
        ),
        (_("all readers of the reference (Fleiss)"), found.all_readers),
    ]
    return [[words, each.scans, percent(each.observed), _kappa(each)] for words, each in pairs if each]


def _kappa(found: Kappa) -> str:
    if found.value is None:
        return _("cannot be told: everybody always chose the same")
    return _(
        "%(value)s (%(low)s to %(high)s)",
        value=f"{found.value:.2f}",
        low=f"{found.low:.2f}",
        high=f"{found.high:.2f}",
    )


def _changes(found: ReaderResults) -> list[Cells]:
    return [
        [
            f"{each.reader} *" if each.part_of_it else each.reader,
            each.scans,
            each.changed,
            each.became_right,
            each.became_wrong,
            percent(each.right_alone.value),
            percent(each.right_aided.value),
            _(
                "%(value)s (%(low)s to %(high)s)",
                value=_signed(each.difference),
                low=_signed(each.low),
                high=_signed(each.high),
            ),
        ]
        for each in found.changes
    ]


def _signed(points: float) -> str:
    return f"{points * 100:+.1f}".replace("-", MINUS)


def _routine(found: ReaderResults) -> list[Cells]:
    names = {"right": _("right by the reference"), "wrong": _("wrong by the reference")}
    return [
        [names[each.answer], each.scans, interval(each.agree), interval(each.partly), interval(each.disagree)]
        for each in found.routine
    ]


def _to_fill_in() -> list[str]:
    return [
        _("Responsible for the study (name, role)"),
        _("Ethics committee, number and day of approval, or why none is needed"),
        _("Consent of patients, or the reason why none was needed"),
        _("Registry and registration number"),
        _("Intended use, users and place in the workflow"),
        _("Devices that took the pictures, and how"),
        _("Readers: speciality and years of experience, by their code"),
        _("Why this reference standard"),
        _("How patients and users took part; training of users"),
        _("Safety: errors, breakdowns and harm that were seen"),
        _("What follows for practice"),
        _("Funding, commercial interests, conflicts of interest"),
        _("Whether data and code can be had"),
    ]
