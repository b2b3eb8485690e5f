"""A pharmacist takes a prescription back while an administrator approves it: the first wins, and the other is told."""

import threading
import uuid

import pytest

from csss.auth.models import CodePurpose
from csss.auth.second_factor import Proof
from csss.people.models import User
from csss.prescriptions import services as prescriptions
from csss.reports import services as reports
from csss.scans.states import Status
from tests.factories import Clinic
from tests.integration.pages import fresh
from tests.integration.test_workflow_races import after, at_once, slow_commit


@pytest.fixture
def completed(clinic: Clinic) -> uuid.UUID:
    return clinic.scan(Status.PHARMACIST_COMPLETED).id


@pytest.mark.both_databases
@pytest.mark.parametrize("first", ["pharmacist", "administrator"])
def test_of_a_recall_and_an_approval_at_once_the_first_wins(
    clinic: Clinic, completed: uuid.UUID, first: str
) -> None:
    """The second asks after the first has written and before the first has committed."""
    pharmacist_id, admin_id = clinic.person("pharmacist").id, clinic.person("admin").id

    def recall(user: User) -> None:
        prescriptions.recall(completed, by=user)

    def approve(user: User) -> None:
        proof = Proof(user.id, CodePurpose.APPROVAL, completed, "authenticator")
        reports.approve_as_seen(completed, seen="1.1", second_factor=lambda: proof, by=user)

    started = threading.Event()
    steps = {"pharmacist": (pharmacist_id, recall), "administrator": (admin_id, approve)}
    (who, step), (other, second) = steps.pop(first), next(iter(steps.values()))
    told = at_once(clinic.app, (who, slow_commit(step, started)), (other, after(started, second)))
    assert told[0] == "done"
    scan = fresh(completed)
    if first == "pharmacist":
        assert "a correction by the pharmacist has been asked for" in told[1]
        assert scan.status is Status.PHARMACIST_COMPLETED and scan.open_hold is not None
    else:
        assert "has been approved already" in told[1]
        assert scan.status is Status.REPORT_READY and scan.open_hold is None
