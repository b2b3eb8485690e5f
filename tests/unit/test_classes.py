"""What the rules know of the classes: which kind of scan each belongs to, and what an answer of another kind becomes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from csss.inference import Engine
from csss.inference.classes import (
    CARDIAC_MRI,
    CHEST_XRAY,
    KINDS,
    KINDS_OF_CLASS,
    WITHOUT_FINDING,
    belongs_to,
    judged_as,
)
from csss.inference.labels import read_info
from csss.paths import MODELS, ROOT
from csss.scans.states import ScanKind
from tests.factories import reading

PICTURES = sorted((ROOT / "csss/demo/scans").glob("*.jpg"))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    yield Engine.load(threads=1)


def test_the_kinds_are_those_of_a_scan() -> None:
    assert set(KINDS) == set(ScanKind)


@pytest.mark.parametrize("folder", sorted(file.parent for file in MODELS.glob("*/labels.json")), ids=str)
def test_every_class_of_an_installed_model_belongs_to_a_kind(folder: Path) -> None:
    assert set(read_info(folder).names) <= set(KINDS_OF_CLASS)


def test_a_class_that_claims_a_finding_says_so_in_its_name_and_the_collection_does_not() -> None:
    for folder in (file.parent for file in MODELS.glob("*/labels.json")):
        label = read_info(folder).label("NIH_MERGED")
        assert "finding" not in label.title and "no listed disease recognised" in label.title
        assert "with or without a finding" in label.explanation
    assert {"NIH_MERGED"} == WITHOUT_FINDING


@pytest.mark.parametrize(
    ("label", "kind", "fits"),
    [
        ("COVID", CHEST_XRAY, True),
        ("COVID", CARDIAC_MRI, False),
        ("Lung_Opacity", CARDIAC_MRI, False),
        ("NIH_MERGED", CARDIAC_MRI, False),
        ("Viral_Pneumonia", CARDIAC_MRI, False),
        ("Sick", CHEST_XRAY, False),
        ("Sick", CARDIAC_MRI, True),
        ("Normal", CHEST_XRAY, True),
        ("Normal", CARDIAC_MRI, True),
    ],
)
def test_an_answer_of_the_other_kind_is_uncertain_whatever_its_probability(
    label: str, kind: str, fits: bool
) -> None:
    result = reading(label, 0.97)
    judged = judged_as(result, kind)
    assert belongs_to(label, kind) is fits
    assert judged.uncertain is not fits
    assert judged.label == (label if fits else "Uncertain")
    assert (judged.top_label, judged.confidence) == (label, 0.97)
    assert judged.probabilities == result.probabilities
    if not fits:
        assert judged.reason is not None and "the kind or the reading is wrong" in judged.reason


def test_a_low_probability_stays_a_reason_of_its_own() -> None:
    judged = judged_as(reading("Sick", 0.4), CHEST_XRAY)
    assert judged.reason == (
        "The scan was taken for a chest X-ray, but the nearest class is one of cardiac MRI: "
        "the kind or the reading is wrong. The highest probability is below the threshold."
    )


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_no_demo_picture_gets_a_certain_answer_of_the_other_kind(engine: Engine, path: Path) -> None:
    result = engine.predict(path.read_bytes(), heatmap=False)
    sick = path.stem.startswith("Sick")
    right, wrong = (CARDIAC_MRI, CHEST_XRAY) if sick else (CHEST_XRAY, CARDIAC_MRI)
    assert judged_as(result, right) == result
    if not path.stem.startswith("Normal"):
        assert judged_as(result, wrong).label == "Uncertain"
