"""What monitoring is told."""

import pytest

from csss.scans.states import Status
from tests.factories import Clinic
from tests.visitor import Visitor


def test_a_living_process_says_so_to_everybody(nobody: Visitor) -> None:
    response = nobody.get("/healthz")
    assert (response.status_code, response.get_data(as_text=True)) == (200, "ok\n")


def test_without_redis_it_is_alive_but_not_ready_and_says_why(nobody: Visitor) -> None:
    response = nobody.get("/readyz")
    assert response.status_code == 503
    checks = response.get_json()["checks"]
    assert checks["redis"] == "does not answer"
    assert (checks["database"], checks["storage"], checks["model"]) == ("ok", "ok", "ok")


def test_metrics_tell_numbers_and_no_names(nobody: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    text = nobody.get("/metrics").get_data(as_text=True)
    assert 'csss_scans{status="AI_ANALYZED"} 1.0' in text
    assert 'csss_outbox_open{queue="inference"} 1.0' in text
    assert scan.patient.mrn not in text
    assert str(scan.id) not in text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_metrics_are_not_for_people_behind_a_proxy(nobody: Visitor, header: str) -> None:
    assert nobody.get("/metrics", headers={header: "198.51.100.7"}).status_code == 404


def test_metrics_are_not_for_other_machines(nobody: Visitor) -> None:
    assert nobody.get("/metrics", environ_overrides={"REMOTE_ADDR": "198.51.100.7"}).status_code == 404


@pytest.mark.parametrize("settings", [{"metrics_token": "a-token-for-prometheus"}], indirect=True)
def test_with_a_token_metrics_are_for_whoever_has_it(nobody: Visitor) -> None:
    assert nobody.get("/metrics").status_code == 404
    assert nobody.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404
    right = {"Authorization": "Bearer a-token-for-prometheus"}
    assert (
        nobody.get("/metrics", headers=right, environ_overrides={"REMOTE_ADDR": "198.51.100.7"}).status_code
        == 200
    )
