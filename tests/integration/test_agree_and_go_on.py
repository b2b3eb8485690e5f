"""A doctor who agrees signs and goes on with one press; whoever does not agree cannot press it by mistake."""

import uuid

import pytest

from csss.scans.states import Agreement, Status
from tests.factories import Clinic, reading
from tests.integration.pages import fresh
from tests.visitor import Visitor, soup, words

WRITTEN = {"findings": "Both lungs are clear.", "impression": "No active disease.", "then": "agree_next"}
BUTTON = "[name=then][value=agree_next]"


def address(scan_id: uuid.UUID, step: str = "") -> str:
    return f"/doctor/scans/{scan_id}{step}"


@pytest.fixture
def scan_id(clinic: Clinic) -> uuid.UUID:
    return clinic.scan(Status.AI_ANALYZED).id


def test_it_agrees_signs_and_opens_the_next(doctor: Visitor, clinic: Clinic, scan_id: uuid.UUID) -> None:
    other = clinic.scan(Status.AI_ANALYZED).id
    assert doctor.page(address(scan_id)).select_one(BUTTON) is not None
    answer = doctor.post(address(scan_id, "/verify"), WRITTEN)
    assert (answer.status_code, answer.headers["Location"]) == (303, address(other))
    assert fresh(scan_id).review.agreement is Agreement.AGREE


@pytest.mark.parametrize("chosen", ["partly", "disagree"])
def test_it_signs_nothing_beside_another_choice(doctor: Visitor, scan_id: uuid.UUID, chosen: str) -> None:
    said = {"agreement": chosen, "diagnosis": "Pneumonia"}
    answer = doctor.post(address(scan_id, "/verify"), WRITTEN | said)
    assert answer.status_code == 422 and "Both lungs are clear." in words(answer)
    assert soup(answer).select_one(".field--invalid [name=agreement]") is not None
    assert fresh(scan_id).status is Status.AI_ANALYZED


def test_an_uncertain_answer_cannot_be_agreed_with(doctor: Visitor, clinic: Clinic) -> None:
    uncertain = clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.5)).id
    assert doctor.page(address(uncertain)).select_one(BUTTON) is None
    assert doctor.post(address(uncertain, "/verify"), WRITTEN).status_code == 422
