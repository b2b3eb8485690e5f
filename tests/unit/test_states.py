"""The table of the life of a scan is the documentation."""

from pathlib import Path

from csss.scans.states import NEXT, STEP, Status, diagram
from csss.scans.workflow import STATE_SENTENCE

ROOT = Path(__file__).resolve().parents[2]


def test_the_statuses_are_those_of_the_design() -> None:
    assert [status.value for status in Status] == [
        "PENDING_AI",
        "AI_ANALYZED",
        "DOCTOR_VERIFIED",
        "PHARMACIST_COMPLETED",
        "REPORT_READY",
    ]


def test_each_status_leads_to_the_following_one_and_the_last_to_none() -> None:
    order = list(Status)
    assert dict(zip(order, [*order[1:], None], strict=True)) == NEXT


def test_every_status_has_its_step_and_its_sentence() -> None:
    assert set(STEP) == set(STATE_SENTENCE) == set(Status)
    assert all(sentence.endswith(".") for sentence in STATE_SENTENCE.values())


def test_the_readme_shows_the_diagram_of_the_table() -> None:
    assert f"```mermaid\n{diagram()}\n```" in (ROOT / "README.md").read_text("utf-8")
