"""What a report says about risk and time."""

from datetime import UTC, date, datetime

import pytest

from benchmarks.report import example_context
from csss.reports.context import PredictionSummary, day, risk_level


@pytest.mark.parametrize(
    ("label", "confidence", "uncertain", "expected"),
    [
        ("Normal", 0.75, False, "Low"),
        ("Normal", 0.99, False, "Low"),
        ("Normal", 0.7499, False, "Indeterminate"),
        ("Normal", 0.99, True, "Indeterminate"),
        ("COVID", 0.75, False, "High"),
        ("Sick", 0.99, False, "High"),
        ("Sick", 0.6, False, "Indeterminate"),
        ("Viral_Pneumonia", 0.99, True, "Indeterminate"),
        ("COVID", float("nan"), False, "Indeterminate"),
        ("NIH_MERGED", 0.99, False, "Indeterminate"),
        ("NIH_MERGED", 0.6, True, "Indeterminate"),
    ],
)
def test_the_risk_level_follows_label_confidence_and_uncertainty(label, confidence, uncertain, expected):
    assert risk_level(label, confidence, 0.75, uncertain) == expected


def test_a_prediction_below_the_threshold_is_shown_as_uncertain_whatever_its_flag_says():
    summary = PredictionSummary(
        label="COVID",
        human_label="COVID-19",
        confidence=0.5,
        probabilities=(),
        threshold=0.75,
        model_version="1",
        uncertain=False,
    )
    assert summary.shown_label == "Uncertain"


def test_an_answer_that_names_no_finding_is_no_uncertain_one_though_its_risk_is_indeterminate():
    summary = PredictionSummary(
        label="NIH_MERGED",
        human_label="Chest X-ray, no listed disease recognised",
        confidence=0.93,
        probabilities=(),
        threshold=0.75,
        model_version="1",
    )
    assert summary.shown_label == "Chest X-ray, no listed disease recognised"
    assert summary.risk_level == "Indeterminate"


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", "31 December 2026, 20:00 UTC"),
        ("Asia/Kolkata", "1 January 2027, 01:30 IST"),
        ("America/Sao_Paulo", "31 December 2026, 17:00 UTC-03:00"),
    ],
)
def test_times_are_shown_in_the_hospitals_time_zone_and_name_it(zone, expected):
    context = example_context(timezone=zone)
    assert context.when(datetime(2026, 12, 31, 20, 0, tzinfo=UTC)) == expected


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        example_context().when(datetime(2026, 12, 31, 20, 0))  # noqa: DTZ001


def test_dates_are_written_out():
    assert day(date(2026, 5, 3)) == "3 May 2026"
