"""The figures of a study from its scans and readings, and 500 whole studies in a simulated hospital whose truth is known."""

import uuid
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from csss.scans.states import Agreement
from csss.statistics import measures
from csss.study.cases import Case, age_band
from csss.study.checklists import checklists
from csss.study.drawing import shares
from csss.study.protocol import Flow, Protocol, SampleKind
from csss.study.reader_results import reader_results
from csss.study.reference import NoReference, Reference, reference
from csss.study.results import Results, results
from csss.study.study_folder import ReaderSheet

CLASSES = ("COVID", "Lung_Opacity", "NIH_MERGED", "Normal", "Viral_Pneumonia")
TARGET = ("COVID", "Lung_Opacity", "Viral_Pneumonia")
SHARES = np.array([0.1, 0.15, 0.2, 0.45, 0.1])
PROTOCOL = Protocol(
    name="chest",
    question="How well?",
    target=TARGET,
    classes=CLASSES,
    kinds=("chest_xray",),
    since=date(2026, 1, 1),
    until=date(2026, 6, 30),
    time_zone="UTC",
    model_version="csss-4",
    sampling=SampleKind.RANDOM,
    seed=1,
    size=300,
    one_a_patient=True,
    readers=("R1",),
    adjudicator="",
    observers=(),
    wanted_width=None,
    prevalence=0.05,
    flow=Flow(300, 0, 0, 0, 300, 300),
    drawn_at=datetime(2026, 7, 1, tzinfo=UTC),
)


def case(number: str, probabilities: dict[str, float], **more: object) -> Case:
    best = max(probabilities, key=lambda name: probabilities[name])
    values: dict[str, object] = {
        "number": number,
        "scan_id": uuid.UUID(int=0),
        "kind": "chest_xray",
        "age_band": "40 to 64",
        "sex": "female",
        "file_key": "",
        "label": best,
        "uncertain": probabilities[best] < 0.6,
        "probabilities": probabilities,
        "threshold": 0.6,
        "agreement": None,
        "reviewed": False,
    }
    return Case(**{**values, **more})  # type: ignore[arg-type]


def answers(random: np.random.Generator, scans: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth (scans) and probabilities (scans, classes) of a classifier that is too sure of itself."""
    truth = random.choice(len(CLASSES), scans, p=SHARES)
    logits = 1.6 * np.eye(len(CLASSES))[truth] + random.normal(0, 1.0, (scans, len(CLASSES)))
    raised = np.exp(1.5 * logits)
    return truth, raised / raised.sum(axis=1, keepdims=True)


def study(truth: np.ndarray, probabilities: np.ndarray) -> Results:
    sample = [
        case(f"S{place:04d}", dict(zip(CLASSES, row, strict=True)))
        for place, row in enumerate(probabilities.tolist())
    ]
    found = Reference({each.number: CLASSES[t] for each, t in zip(sample, truth, strict=True)}, {})
    made = results(PROTOCOL, sample, found)
    assert made is not None
    return made


def test_the_intervals_of_whole_studies_cover_the_truth_of_the_hospital(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """500 studies of 300 scans, from the scans to the figures of the report. The truth is that of two million scans."""
    monkeypatch.setattr(measures, "DRAWS", 10)  # the error by chance is not looked at here
    random = np.random.default_rng(12)
    truth, probabilities = answers(random, 2_000_000)
    target = np.isin(np.array(CLASSES), TARGET)
    positive, called = target[truth], target[probabilities.argmax(axis=1)]
    right, sure = probabilities.argmax(axis=1) == truth, probabilities.max(axis=1)
    se, sp = float(called[positive].mean()), float((~called[~positive]).mean())
    order = np.argsort(np.argsort(probabilities[:, target].sum(axis=1))) + 1
    m, n = int(positive.sum()), int((~positive).sum())
    p = PROTOCOL.prevalence or 0
    known = {
        "sensitivity": se,
        "specificity": sp,
        "ppv": float(positive[called].mean()),
        "npv": float((~positive[~called]).mean()),
        "area": float((order[positive].sum() - m * (m + 1) / 2) / (m * n)),
        "right": float(right.mean()),
        "gap": float((sure - right).mean()),
        "ppv at 5 %": se * p / (se * p + (1 - sp) * (1 - p)),
        "npv at 5 %": sp * (1 - p) / (sp * (1 - p) + (1 - se) * p),
        "sensitivity of accepted": float(called[positive & (sure >= 0.6)].mean()),
        "Normal": float((probabilities.argmax(axis=1) == 3)[truth == 3].mean()),
    }
    covered: dict[str, list[bool]] = defaultdict(list)

    def look(name: str, low: float | None, high: float | None) -> None:
        covered[name].append(low is not None and high is not None and low <= known[name] <= high)

    for _ in range(500):
        made = study(*answers(random, 300))
        at, gap, area = made.at_stated_prevalence, made.calibration.gap, made.area
        assert at is not None and gap is not None and area is not None
        for name in ("sensitivity", "specificity", "ppv", "npv"):
            share = getattr(made.main, name)
            look(name, share.low, share.high)
        look("area", area.low, area.high)
        look("right", made.right.low, made.right.high)
        look("gap", gap.low, gap.high)
        look("ppv at 5 %", at.ppv_low, at.ppv_high)
        look("npv at 5 %", at.npv_low, at.npv_high)
        look("sensitivity of accepted", made.accepted.sensitivity.low, made.accepted.sensitivity.high)
        look("Normal", made.classes[3].table.sensitivity.low, made.classes[3].table.sensitivity.high)
    found = {name: float(np.mean(each)) for name, each in covered.items()}
    assert found.keys() == known.keys()
    assert {name: share for name, share in found.items() if not 0.93 <= share <= 0.97} == {}


def test_uncertain_answers_are_counted_in_three_ways() -> None:
    rows = [
        ({"COVID": 0.9, "Normal": 0.1}, "COVID"),
        ({"COVID": 0.5, "Normal": 0.4, "NIH_MERGED": 0.1}, "COVID"),  # uncertain and right
        ({"Normal": 0.9, "COVID": 0.1}, "Normal"),
        ({"Normal": 0.5, "COVID": 0.5 - 1e-9}, "COVID"),  # uncertain and wrong
    ]
    sample = [case(f"S{place}", probabilities) for place, (probabilities, _) in enumerate(rows)]
    found = Reference({f"S{place}": truth for place, (_, truth) in enumerate(rows)}, {})
    made = results(PROTOCOL, sample, found)
    assert made is not None
    assert (made.main.sensitivity.hits, made.main.sensitivity.of) == (2, 3)
    assert (made.accepted.sensitivity.hits, made.accepted.sensitivity.of) == (1, 1)
    assert (made.against.sensitivity.hits, made.against.sensitivity.of) == (1, 3)
    assert made.missed == ["S3"] and made.false_alarms == []
    assert all(group.few for group in made.subgroups)


def test_nothing_is_said_of_scans_without_a_reference() -> None:
    assert results(PROTOCOL, [case("S1", {"COVID": 1.0})], Reference({}, {})) is None


@pytest.mark.parametrize(
    ("said", "adjudicator", "expected"),
    [
        (("COVID", "COVID", "Normal"), None, "COVID"),
        (("COVID", "Normal", "NIH_MERGED"), None, NoReference.NO_AGREEMENT),
        (("COVID", "COVID", None), None, NoReference.NOT_READ),
        (("unreadable", "unreadable", "COVID"), None, NoReference.UNREADABLE),
        (("COVID", "COVID", "COVID"), "Normal", "COVID"),
        (("COVID", "COVID", "Normal"), "Normal", "Normal"),
        (("COVID", "COVID", "Normal"), "", NoReference.NOT_READ),
    ],
)
def test_the_rule_of_the_protocol_makes_the_reference(
    said: tuple[str | None, ...], adjudicator: str | None, expected: str | NoReference
) -> None:
    names = ("R1", "R2", "R3")
    protocol = replace(PROTOCOL, readers=names, adjudicator="" if adjudicator is None else "A")
    readings = {name: {"S1": each} for name, each in zip(names, said, strict=True) if each}
    found = reference(protocol, ["S1"], readings | ({"A": {"S1": adjudicator}} if adjudicator else {}))
    assert found.classes.get("S1", found.without.get("S1")) == expected


def test_readers_are_compared_and_a_change_is_told_with_its_direction() -> None:
    at = datetime(2026, 7, 2, tzinfo=UTC)

    def sheet(reader: str, *said: str, aided: bool = False) -> ReaderSheet:
        return ReaderSheet(reader, aided, 1, at, "", {f"S{place}": each for place, each in enumerate(said)})

    protocol = replace(PROTOCOL, readers=("R1", "R2"), observers=("D1",))
    alone = {
        "R1": sheet("R1", "COVID", "Normal", "Normal"),
        "R2": sheet("R2", "COVID", "Normal", "COVID"),
        "D1": sheet("D1", "Normal", "Normal", "Normal"),
    }
    sample = [
        case("S0", {"COVID": 1.0}, agreement=Agreement.AGREE, reviewed=True),
        case("S1", {"COVID": 1.0}, agreement=Agreement.AGREE, reviewed=True),
        case("S2", {"COVID": 1.0}),
    ]
    found = reference(protocol, alone["R1"].classes, {name: each.classes for name, each in alone.items()})
    made = reader_results(
        protocol, sample, found, alone, {"D1": sheet("D1", "COVID", "COVID", "COVID", aided=True)}
    )
    (change,) = made.changes
    assert (change.scans, change.changed, change.became_right, change.became_wrong) == (2, 2, 1, 1)
    assert change.difference == 0 and change.low < 0 < change.high and not change.part_of_it
    assert [(row.answer, row.scans, row.agree.hits) for row in made.routine] == [
        ("right", 1, 1),
        ("wrong", 1, 1),
    ]
    assert [(pair.first, pair.second) for pair in made.pairs] == [("R1", "R2"), ("R1", "D1"), ("R2", "D1")]
    assert made.all_readers is None and made.without_review == 1


def test_a_protocol_is_read_as_it_was_written() -> None:
    assert Protocol.from_json(PROTOCOL.to_json()) == PROTOCOL


def test_strata_are_drawn_in_proportion() -> None:
    found = shares({("a", "", ""): 50, ("b", "", ""): 30, ("c", "", ""): 21}, 10)
    assert sum(found.values()) == 10 and list(found.values()) == [5, 3, 2]


@pytest.mark.parametrize(
    ("born", "band"),
    [
        ("2026-05-02", "0 to 17"),
        ("2008-05-02", "0 to 17"),
        ("2008-05-01", "18 to 39"),
        ("1930-01-01", "80 and over"),
    ],
)
def test_ages_are_given_in_bands(born: str, band: str) -> None:
    assert age_band(date.fromisoformat(born), date(2026, 5, 1)) == (
        band if born < "2026-05-02" else "unknown"
    )


def test_every_item_of_the_guidelines_says_where_it_is_answered() -> None:
    numbers = {each.id: [item.number for item in each.items] for each in checklists()}
    assert numbers["claim"] == [str(number) for number in range(1, 45)]
    assert {number.rstrip("abcd") for number in numbers["stard"]} == {str(n) for n in range(1, 41)}
    roman = {"I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"}
    assert {number.rstrip("abc") for number in numbers["decide"]} == {str(n) for n in range(1, 18)} | roman
    assert all(item.where for each in checklists() for item in each.items)
