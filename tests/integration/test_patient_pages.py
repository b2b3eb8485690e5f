"""What a patient sees and does: send a scan, follow it, fetch the report; nothing of the reading before release."""

import io
import os
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from csss.clock import now
from csss.database import db, transaction
from csss.reports import queries as reports
from csss.scans import durations, services
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.web.patient import presenters
from tests.factories import Clinic, picture, reading
from tests.integration.pages import one_root
from tests.visitor import Visitor, soup, words


def send(
    visitor: Visitor, content: bytes | None = None, name: str = "scan.png", **more: object
) -> TestResponse:
    fields = {"kind": "chest_xray", "indication": "Cough for two weeks"}
    htmx = bool(more.pop("htmx", False))
    fields |= {key: str(value) for key, value in more.items()}
    data = {**fields, "file": (io.BytesIO(picture() if content is None else content), name)}
    return visitor.post("/patient/scans", data, htmx=htmx)


def stored(app: Flask) -> list[Path]:
    folder = app.config["CSSS"].storage_folder
    return [path for path in folder.rglob("*") if path.is_file()]


def scans() -> int:
    return db.session.scalar(select(func.count()).select_from(Scan)) or 0


def test_a_sent_scan_is_there_and_its_page_says_what_was_sent(patient: Visitor, app: Flask) -> None:
    answer = send(patient)
    assert answer.status_code == 303
    page = patient.page(answer.headers["Location"])
    assert page.h1.get_text().startswith("Chest X-ray of ")
    text = page.get_text(" ")
    assert "Cough for two weeks" in text
    assert "You uploaded the scan" in text
    assert len([path for path in stored(app) if "scans" in path.parts]) == 1
    row = patient.page("/patient/").select_one("#scans tbody tr")
    assert "Received" in row.get_text() and row.select_one("a[href$='.pdf']") is None


def test_the_upload_script_is_told_where_to_go(patient: Visitor) -> None:
    answer = send(patient, htmx=True)
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].startswith("/patient/scans/")


def cut_off() -> bytes:
    content = picture(kind="JPEG", mode="RGB")
    return content[: len(content) // 2]


def bomb() -> bytes:
    target = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(target, "PNG")
    return target.getvalue()


def too_large() -> bytes:
    return picture() + os.urandom(11_000_000)


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (b"these are words", "words.png", "no picture that can be read here"),
        (b"", "empty.png", "The file is empty"),
        (cut_off, "cut.jpg", "cannot be read to its end"),
        (bomb, "huge.png", "too many pixels"),
        (too_large, "large.png", "at most 10 MB"),
        (b"", "", "Choose the picture"),
    ],
)
def test_what_is_no_scan_is_refused_beside_the_field_and_nothing_is_kept(
    patient: Visitor, app: Flask, content: bytes | Callable[[], bytes], name: str, sentence: str
) -> None:
    # Large pictures are made here, not when the tests are collected: every process of a run does that for all.
    answer = send(
        patient,
        content if isinstance(content, bytes) else content(),
        name,
        kind="cardiac_mri",
        indication="Palpitations <b>",
    )
    assert answer.status_code == 422
    page = soup(answer)
    assert sentence in page.select_one("#file-error").get_text()
    assert page.select_one("#file")["aria-invalid"] == "true"
    assert page.select_one("input[name=kind][value=cardiac_mri]").has_attr("checked")
    assert page.select_one("#indication").get_text().strip() == "Palpitations <b>"
    assert "Palpitations &lt;b&gt;" in answer.get_data(as_text=True)
    assert stored(app) == [] and scans() == 0


def test_a_file_a_little_above_the_limit_is_not_said_to_be_at_it(patient: Visitor) -> None:
    content = picture()
    answer = send(patient, content + bytes(10_000_001 - len(content)))
    assert "The file has 10.1 MB; at most 10 MB can be taken." in words(answer)


@pytest.mark.parametrize("kind", ["", "knee_mri"])
def test_the_kind_must_be_one_of_two_and_all_errors_are_told_at_once(
    patient: Visitor, app: Flask, kind: str
) -> None:
    answer = send(patient, b"words", kind=kind)
    assert answer.status_code == 422
    summary = soup(answer).select("[data-error-summary] li")
    assert len(summary) == 2
    assert "Choose what the picture shows." in words(answer)
    assert stored(app) == []


def test_an_indication_that_is_too_long_leaves_no_file_behind(patient: Visitor, app: Flask) -> None:
    answer = send(patient, indication="a" * 2_001)
    assert answer.status_code == 422
    assert "At most 2,000 characters" in soup(answer).select_one("#indication-error").get_text()
    assert stored(app) == [] and scans() == 0


def test_when_the_database_fails_the_file_is_removed_again(
    patient: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(services, "submit_scan", full)
    app.testing = False
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert send(patient).status_code == 500
    assert stored(app) == []


def test_a_request_that_is_too_large_to_be_read_gets_the_form_again(patient: Visitor, app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 20_000
    answer = send(patient, os.urandom(30_000))
    assert answer.status_code == 422
    assert "too large" in soup(answer).select_one("#file-error").get_text()


def test_nobody_signed_in_gets_no_form_with_a_request_that_is_too_large(nobody: Visitor, app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 20_000
    answer = send(nobody, os.urandom(30_000))
    assert answer.status_code == 413
    assert soup(answer).select_one("#upload-form") is None


def test_the_refused_form_comes_alone_for_the_upload_script(patient: Visitor) -> None:
    answer = send(patient, b"words", htmx=True)
    assert answer.status_code == 422
    one_root(answer, "upload-form")


def test_pages_and_fragments(patient: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(patient=patient.user)
    for url, root in (("/patient/", "scans"), (f"/patient/scans/{scan.id}", "scan")):
        one_root(patient.fragment(url), root)
        whole = patient.get(url)
        assert "HX-Request" in whole.headers["Vary"]
        assert len(soup(whole).select(f"html #{root}")) == 1


@pytest.mark.parametrize(
    "status",
    [status for status in Status if status is not Status.REPORT_READY],
    ids=lambda status: status.value,
)
def test_before_release_nothing_of_the_reading_is_told(
    patient: Visitor, clinic: Clinic, status: Status
) -> None:
    scan = clinic.scan(status, patient=patient.user, findings="A shadow in the left lung")
    url = f"/patient/scans/{scan.id}"
    text = patient.get(url).get_data(as_text=True)
    for secret in (
        "shadow",
        "Normal chest",
        "Normal",
        "COVID",
        "classifier said",
        "heatmap",
        "Amoxicillin",
        "91.0 %",
    ):
        assert secret not in text.replace("<", " <").split("<main")[1].split("<footer")[0], secret
    assert patient.page(url).select_one("#scan")["data-live"] == str(scan.id)


def test_approved_but_not_yet_stored_shows_nothing_clinical(patient: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.REPORT_READY, patient=patient.user)
    page = patient.page(f"/patient/scans/{scan.id}")
    assert "Report is being made" in page.get_text()
    assert "Clear lungs" not in page.get_text()
    assert page.select_one("#scan").has_attr("data-live")


def test_a_released_report_can_be_fetched_with_its_fingerprint(patient: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.REPORT_READY, patient=patient.user).id
    clinic.run_jobs("render_report")
    scan = db.session.get_one(Scan, scan_id)
    (version,) = reports.versions(scan)
    page = patient.page(f"/patient/scans/{scan_id}")
    assert version.sha256 in page.get_text()
    link = page.select_one(".page-header a.button")["href"]
    assert patient.get(link).data.startswith(b"%PDF")
    assert "Clear lungs." in page.get_text() and "91.0 %" in page.get_text()
    assert page.select_one(".viewer__layer")["loading"] == "lazy"
    assert patient.page("/patient/").select_one("#scans a[href$='.pdf']")["href"] == link


def test_the_next_page_is_the_lists_own_after_a_refused_form(patient: Visitor, clinic: Clinic) -> None:
    for _ in range(26):
        clinic.scan(patient=patient.user)
    following = soup(send(patient, b"words")).select_one(".pagination a[rel=next]")["href"]
    assert following == "/patient/?page=2"
    assert len(patient.page(following).select("#scans tbody tr")) == 1


def test_past_the_last_page_stands_the_last_one_and_nobody_is_told_to_have_sent_nothing(
    patient: Visitor, clinic: Clinic
) -> None:
    for _ in range(26):
        clinic.scan(patient=patient.user)
    page = patient.page("/patient/?page=99")
    assert len(page.select("#scans tbody tr")) == 1
    assert "You have not sent a scan yet" not in page.get_text()
    assert page.select_one(".pagination a[rel=prev]")["href"] == "/patient/"


def test_a_closed_scan_tells_why_and_asks_for_another(patient: Visitor, clinic: Clinic) -> None:
    scan_id, doctor = clinic.scan(patient=patient.user).id, clinic.person("doctor")
    with transaction():
        services.close(scan_id, reason="The picture is <blurred>.", by=doctor)
    answer = patient.get(f"/patient/scans/{scan_id}")
    assert "The picture is &lt;blurred&gt;." in answer.get_data(as_text=True)
    page = soup(answer)
    assert "A doctor closed the scan" in page.select_one(".way__station--stopped").get_text()
    assert page.select_one(".way__station--todo") is None
    again = page.find("a", string="Upload again") or page.select_one("a.button[href*=again]")
    assert again.get_text(strip=True) == "Upload again"
    form = patient.page(str(again["href"]).partition("#")[0]).select_one("#new-scan")
    assert "The picture is <blurred>." in form.get_text()
    assert form.select_one("input[value=chest_xray]").has_attr("checked")
    assert form.select_one("#indication").get_text().strip() == "Cough for two weeks"


@pytest.mark.parametrize("again", ["", "nonsense", "0b8e5c0e-4c1f-4b5e-9f5e-6f1e1f0a9c11"])
def test_upload_again_means_nothing_for_any_other_scan(patient: Visitor, clinic: Clinic, again: str) -> None:
    open_scan, others = clinic.scan(patient=patient.user).id, clinic.scan().id
    for address in (again, open_scan, others):
        form = patient.page(f"/patient/?again={address}").select_one("#new-scan")
        assert not form.select("[name=kind][checked]")
        assert form.select_one("#indication").get_text().strip() == ""


def stations(patient: Visitor, scan: Scan) -> list[tuple[str, str]]:
    page = patient.page(f"/patient/scans/{scan.id}")
    return [
        (str(step["class"][1]).rpartition("--")[2], " ".join(step.get_text(" ").split()))
        for step in page.select(".way__station")
    ]


def test_the_way_tells_what_has_happened_what_comes_next_and_who_does_it(
    patient: Visitor, clinic: Clinic
) -> None:
    scan = clinic.scan(Status.DOCTOR_VERIFIED, patient=patient.user)
    told = stations(patient, scan)
    assert [state for state, _ in told] == ["done", "done", "now", "todo", "todo"]
    assert "A doctor read the scan" in told[1][1] and "pharmacist" in told[2][1]
    assert "administrator" in told[3][1] and "e-mail" in told[4][1]
    assert not any("Usually" in words for _, words in told), "too few scans to say how long it takes"


def test_how_long_it_takes_comes_from_the_hospitals_own_scans(
    patient: Visitor, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durations, "ENOUGH", 1)
    clinic.scan(Status.REPORT_READY)
    sent, doctor, _, approval, report = stations(patient, clinic.scan(patient=patient.user))
    assert "Usually within an hour." in doctor[1] and "Usually within an hour." in approval[1]
    assert "Usually" not in sent[1] + report[1]


def test_three_of_four_scans_take_no_longer_and_too_few_say_nothing() -> None:
    at = now()
    steps = [
        step
        for hours in range(1, durations.ENOUGH + 1)
        for scan in [uuid.uuid4()]
        for step in (
            (scan, Status.PENDING_AI, at),
            (scan, Status.DOCTOR_VERIFIED, at + timedelta(hours=hours)),
        )
    ]
    assert durations.three_of_four(steps) == {Status.DOCTOR_VERIFIED: timedelta(hours=15)}
    assert durations.three_of_four(steps[2:]) == {}


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (timedelta(seconds=5), "Usually within an hour"),
        (timedelta(hours=4, seconds=1), "Usually within 5 hours"),
        (timedelta(hours=37), "Usually within 2 days"),
    ],
)
def test_times_are_told_in_round_words(app: Flask, wait: timedelta, words: str) -> None:
    assert presenters._within(wait) == words


def test_somebody_new_finds_the_form_first_and_reads_what_will_happen(
    patient: Visitor, clinic: Clinic
) -> None:
    page = patient.page("/patient/")
    assert "You have not sent a scan yet" in page.get_text()
    parts = [part["id"] for part in page.select("#new-scan, #scans")]
    assert parts == ["new-scan", "scans"]
    clinic.scan(patient=patient.user)
    page = patient.page("/patient/")
    assert [part["id"] for part in page.select("#new-scan, #scans")] == ["scans", "new-scan"]
    assert page.select_one(".page-header a[href='#new-scan']") is not None
    assert page.select_one("#scans")["data-live"] == "queue"


CLINICAL = re.compile(
    r"covid|opacity|nih|merged|normal|\bsick\b|pneumonia|uncertain|probabilit|confidence|heat ?map|"
    r"\b\d{1,2}(\.\d)? ?%|predict|findings?\b|impression|diagnosis",
    re.IGNORECASE,
)


@pytest.mark.parametrize("status", list(Status), ids=lambda status: status.value)
def test_no_page_of_a_patient_holds_a_label_or_a_probability_before_release(
    patient: Visitor, clinic: Clinic, status: Status
) -> None:
    """In no text, attribute or comment; REPORT_READY here is approved, its report not yet made."""
    scan = clinic.scan(
        status, patient=patient.user, findings="Shadow left", result=reading("Viral_Pneumonia")
    )
    for address in ("/patient/", f"/patient/scans/{scan.id}", f"/patient/?again={scan.id}"):
        for answer in (patient.get(address), patient.fragment(address)):
            html = answer.get_data(as_text=True).partition("<main")[2] or answer.get_data(as_text=True)
            # The token of a form is drawn, and any three letters may stand in it.
            html = re.sub(r'(data-words|name="csrf_token" value)="[^"]*"', "", html.partition("<footer")[0])
            assert not CLINICAL.search(html), CLINICAL.search(html)


def test_other_peoples_scans_are_not_there(patient: Visitor, clinic: Clinic, doctor: Visitor) -> None:
    other = clinic.scan(result=reading())
    assert patient.get(f"/patient/scans/{other.id}").status_code == 404
    assert patient.get(f"/patient/scans/{uuid.uuid4()}").status_code == 404
    assert str(other.id) not in patient.get("/patient/").get_data(as_text=True)
    assert doctor.get("/patient/").status_code == 403
    assert send(doctor).status_code == 403


def test_hints_tell_what_is_missing_for_the_mail(clinic: Clinic) -> None:
    newcomer = clinic.visitor(clinic.person("patient", confirmed=False))
    text = newcomer.page("/patient/").get_text()
    assert "Confirm your e-mail address" in text and "Set a report pass phrase" in text
    clinic.set_passphrase(newcomer.user)
    assert "Set a report pass phrase" not in newcomer.page("/patient/").get_text()


def test_the_list_asks_the_database_no_more_often_for_more_scans(
    patient: Visitor, clinic: Clinic, queries_of: Callable[[Callable[[], object]], int]
) -> None:
    for _ in range(2):
        clinic.scan(patient=patient.user)
    few = queries_of(lambda: patient.get("/patient/"))
    for _ in range(10):
        clinic.scan(patient=patient.user)
    assert queries_of(lambda: patient.get("/patient/")) <= few
