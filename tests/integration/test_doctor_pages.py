"""What a doctor sees and does: the worklist, reading a scan, signing it, and everything that may get in the way."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from csss.database import db, transaction
from csss.people.models import User
from csss.reports import services as reports
from csss.scans import analysis, services
from csss.scans.models import AnalysisRun, Scan, ScanHold
from csss.scans.review_text import ReviewText
from csss.scans.states import Agreement, HoldFor, Priority, RunState, Status
from tests.factories import Clinic, reading
from tests.visitor import Visitor, soup, words

LOOKED = {
    "findings": "Clear lungs, no effusion.",
    "impression": "No active disease.",
    "diagnosis": "Normal chest",
    "agreement": "agree",
}


def url(scan: Scan | uuid.UUID, step: str = "") -> str:
    scan_id = scan.id if isinstance(scan, Scan) else scan
    return f"/doctor/scans/{scan_id}{'/' + step if step else ''}"


def fresh(scan_id: uuid.UUID) -> Scan:
    db.session.remove()
    return db.session.get_one(Scan, scan_id)


def fail(clinic: Clinic, scan_id: uuid.UUID, why: str = "The picture cannot be decoded.") -> None:
    doctor = clinic.person("doctor")
    with transaction():
        run_id = analysis.start(scan_id, by=doctor).id
    with transaction():
        analysis.keep_failure(run_id, why)


def hold(clinic: Clinic, scan_id: uuid.UUID, to: HoldFor = HoldFor.DOCTOR, note: str = "Which side?") -> None:
    admin = clinic.person("admin")
    with transaction():
        reports.hold(scan_id, to=to, note=note, by=admin)


def one_root(answer: TestResponse, root: str) -> None:
    page = soup(answer)
    assert page.select_one("html") is None
    tags = [tag for tag in page.find_all(recursive=False) if tag.name != "hx-partial"]
    assert [tag.get("id") for tag in tags] == [root]
    assert "HX-Request" in answer.headers["Vary"]


def listed(visitor: Visitor, query: str = "") -> list[str]:
    return [
        row["id"].removeprefix("scan-")
        for row in visitor.page(f"/doctor/{query}").select("#worklist tbody tr")
    ]


# The worklist


@pytest.mark.both_databases
def test_the_worklist_holds_what_a_doctor_has_to_act_on(doctor: Visitor, clinic: Clinic) -> None:
    waiting = clinic.scan().id
    analysed = clinic.scan(Status.AI_ANALYZED).id
    held = clinic.scan(Status.DOCTOR_VERIFIED).id
    answered = clinic.scan(Status.PHARMACIST_COMPLETED).id
    for scan_id in (held, answered):
        hold(clinic, scan_id)
    assert doctor.post(url(answered, "correct"), LOOKED).status_code == 303
    verified = clinic.scan(Status.DOCTOR_VERIFIED).id
    assert set(listed(doctor)) == {str(waiting), str(analysed), str(held)}
    counts = {
        link.contents[0].strip(): link.select_one(".count").get_text()
        for link in doctor.page("/doctor/").select(".tabs a")
    }
    assert counts["To do"] == "3" and counts["Verified by doctor"] == "2" and counts["All"] == "5"
    assert str(verified) in listed(doctor, "?status=DOCTOR_VERIFIED")
    assert listed(doctor, "?status=PENDING_AI") == [str(waiting)]
    assert len(listed(doctor, "?status=all")) == 5
    assert len(listed(doctor, "?status=nonsense&page=minus")) == 3


@pytest.mark.both_databases
def test_search_by_name_and_mrn(doctor: Visitor, clinic: Clinic) -> None:
    anna = clinic.person("patient", name="Anna <b>Berg</b>")
    scan = clinic.scan(patient=anna)
    found, mrn = [str(scan.id)], scan.patient.mrn
    clinic.scan()
    assert listed(doctor, "?q=berg") == found
    assert listed(doctor, f"?q={mrn}") == found
    assert listed(doctor, "?q=%25") == []
    assert doctor.get("/doctor/?q=%00").status_code == 400  # the guard: no person types that
    assert "Anna &lt;b&gt;Berg" in doctor.get("/doctor/?q=berg").get_data(as_text=True)
    assert "No scan matches “nobody”" in words(doctor.get("/doctor/?q=nobody"))


@pytest.mark.both_databases
def test_urgent_scans_come_first_and_say_so(doctor: Visitor, clinic: Clinic) -> None:
    old, new = clinic.scan().id, clinic.scan().id
    assert listed(doctor) == [str(old), str(new)]
    assert doctor.post(url(new, "priority"), {"priority": "urgent"}).status_code == 303
    assert listed(doctor) == [str(new), str(old)]
    assert "Urgent" in doctor.page("/doctor/").select_one(f"#scan-{new}").get_text()
    assert listed(doctor, "?sort=waiting") == [str(old), str(new)]
    assert listed(doctor, "?sort=newest") == [str(new), str(old)]


def test_an_uncertain_scan_says_why_in_the_list(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.5))
    row = doctor.page("/doctor/").select_one(f"#scan-{scan.id}").get_text(" ")
    assert "uncertain" in row and "The highest probability is below the threshold." in row


def test_analyse_from_the_row_comes_back_to_the_same_list(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    page = doctor.page("/doctor/?status=PENDING_AI&sort=newest")
    button = page.select_one(f"#scan-{scan_id} button[formaction]")
    form = page.select_one(f"form#{button['form']}")
    fields = {
        field["name"]: field["value"] for field in form.select("input") if field["name"] != "csrf_token"
    }
    answer = doctor.post(button["formaction"], fields)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/doctor/?status=PENDING_AI&sort=newest"
    assert (
        doctor.post(url(clinic.scan(), "analyze"), {"back": "//evil.example"}).headers["Location"]
        == "/doctor/"
    )
    page = doctor.page(answer.headers["Location"])
    assert page.select_one(f"#scan-{scan_id} button") is None
    assert page.select_one("#worklist")["data-live"] == "queue"


def test_a_row_costs_no_query(
    doctor: Visitor, clinic: Clinic, queries_of: Callable[[Callable[[], object]], int]
) -> None:
    def some(number: int) -> None:
        for place in range(number):
            patient = clinic.person("patient")
            clinic.scan(Status.AI_ANALYZED if place % 2 else Status.PENDING_AI, patient=patient)

    some(5)
    few = queries_of(lambda: doctor.get("/doctor/"))
    some(20)
    many = queries_of(lambda: doctor.get("/doctor/"))
    assert len(listed(doctor)) == 25
    assert many <= few <= 15


def test_pages_of_the_list(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    for _ in range(27):
        clinic.scan(patient=patient)
    assert len(listed(doctor, "?page=2")) == 2
    assert len(listed(doctor, "?page=99")) == 2
    page = doctor.page("/doctor/")
    assert "1–25 of 27 scans" in page.select_one(".pagination").get_text()


# Reading


def test_a_doctor_analyses_reads_and_verifies(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    page = doctor.page(url(scan_id))
    assert page.select_one("form[action$=verify]") is None
    answer = doctor.post(url(scan_id, "analyze"))
    assert (answer.status_code, answer.headers["Location"]) == (303, url(scan_id))
    assert doctor.page(url(scan_id)).select_one("#analysis")["hx-trigger"] == "live, every 3s"
    clinic.run_jobs("analyse_scan")

    page = doctor.page(url(scan_id))
    assert len(page.select(".probabilities__row")) == 6
    assert page.select_one(".viewer__layer")["loading"] == "lazy"
    form = page.select_one("form[action$=verify]")
    uncertain = form.select_one("[name=read_myself]") is not None
    answer = doctor.post(form["action"], {**LOOKED, **({"read_myself": "y"} if uncertain else {})})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/doctor/")
    scan = fresh(scan_id)
    assert scan.status is Status.DOCTOR_VERIFIED
    assert scan.review is not None and scan.review.findings == LOOKED["findings"]
    assert "The scan has been verified." in words(doctor.get("/doctor/"))
    page = doctor.page(url(scan_id))
    assert page.select_one("form[action$=verify]") is None
    assert "Clear lungs, no effusion." in page.select_one("#review").get_text()


def test_blank_findings_are_refused_and_everything_typed_is_kept(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    typed = {
        "findings": " \n",
        "impression": "<script>{{7*7}}",
        "diagnosis": "Asthma",
        "agreement": "disagree",
    }
    for htmx in (False, True):
        answer = doctor.post(url(scan, "verify"), typed, htmx=htmx)
        assert answer.status_code == 422
        page = soup(answer)
        assert (
            page.select_one("#findings-error")
            .get_text(strip=True)
            .endswith("Write what you see in the scan.")
        )
        assert page.select_one("#impression").get_text().strip() == "<script>{{7*7}}"
        assert page.select_one("#diagnosis")["value"] == "Asthma"
        assert page.select_one("input[name=agreement][value=disagree]").has_attr("checked")
    one_root(answer, "reading")


def test_an_opinion_on_the_classifier_is_one_of_three(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    answer = doctor.post(url(scan, "verify"), {**LOOKED, "agreement": "perhaps"})
    assert answer.status_code == 422
    assert soup(answer).select_one("#agreement-error") is not None


def test_an_uncertain_scan_needs_an_own_diagnosis_and_the_statement(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.5)).id
    page = doctor.page(url(scan_id))
    assert page.select_one(".classifier__label").contents[0].strip() == "Uncertain"
    answer = doctor.post(url(scan_id, "verify"), {**LOOKED, "diagnosis": ""})
    assert answer.status_code == 422
    page = soup(answer)
    for field in ("#diagnosis-error", "#read_myself-error"):
        assert "The classifier is uncertain about this scan: " in page.select_one(field).get_text()
    assert fresh(scan_id).status is Status.AI_ANALYZED
    assert doctor.post(url(scan_id, "verify"), {**LOOKED, "read_myself": "y"}).status_code == 303


def test_another_scan_tells_its_diagnosis_or_why_there_is_none(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    here = clinic.scan(patient=patient).id
    told: dict[uuid.UUID, str] = {}
    for status, diagnosis, beside in (
        (Status.PENDING_AI, "", "No diagnosis yet"),
        (Status.AI_ANALYZED, "", "No diagnosis yet"),
        (Status.DOCTOR_VERIFIED, "", "No diagnosis was given."),
        (Status.PHARMACIST_COMPLETED, "", "No diagnosis was given."),
        (Status.REPORT_READY, "", "No diagnosis was given."),
        (Status.DOCTOR_VERIFIED, "Normal chest", "Normal chest"),
    ):
        told[taken_to(clinic, status, diagnosis, patient).id] = beside
    closed = clinic.scan(Status.AI_ANALYZED, patient=patient).id
    with transaction():
        services.close(closed, reason="Blurred", by=doctor.user)
    told[closed] = "Closed without a diagnosis."
    lines = doctor.page(url(here)).select("#others li")
    shown = {line.select_one("a")["href"]: line.select_one(".hint").get_text() for line in lines}
    assert shown == {url(scan_id): words for scan_id, words in told.items()}


def taken_to(clinic: Clinic, status: Status, diagnosis: str, patient: User) -> Scan:
    """A scan that has come so far, of whose reading this is the diagnosis."""
    reached = list(Status).index(status)
    scan = clinic.scan(min(status, Status.AI_ANALYZED, key=list(Status).index), patient=patient)
    if reached >= 2:
        doctor = clinic.person("doctor")
        with transaction():
            written = ReviewText("Clear lungs.", "No active disease.", diagnosis, Agreement.AGREE)
            services.verify(scan.id, written, by=doctor)
    if reached >= 3:
        clinic.complete(scan.id, clinic.person("pharmacist"))
    if reached >= 4:
        clinic.approve(scan.id, clinic.person("admin"))
    return scan


def test_the_second_of_two_doctors_is_told_and_loses_no_text(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    other = clinic.visitor(clinic.person("doctor"))
    assert other.post(url(scan_id, "verify"), LOOKED).status_code == 303
    for htmx in (False, True):
        answer = doctor.post(url(scan_id, "verify"), {**LOOKED, "findings": "My own long text."}, htmx=htmx)
        assert answer.status_code == 409
        text = words(answer)
        assert "A doctor has verified the scan already" in text
        assert "My own long text." in text and "has not been saved" in text
        assert "Verified by doctor" in text
    one_root(answer, "reading")
    assert fresh(scan_id).review.findings == LOOKED["findings"]


@pytest.mark.parametrize(
    ("step", "sent"),
    [("verify", {}), ("analyze", {}), ("read-without-ai", {}), ("correct", {}), ("addendum", {})],
)
def test_a_step_at_the_wrong_time_answers_409_before_anything_else(
    doctor: Visitor, clinic: Clinic, step: str, sent: dict[str, str]
) -> None:
    scan = clinic.scan(Status.DOCTOR_VERIFIED)
    assert doctor.post(url(scan, step), sent).status_code == 409
    if step == "verify":
        assert doctor.post(url(clinic.scan(), step), sent).status_code == 409


# The machine's part


def test_a_failed_analysis_is_told_with_a_way_to_try_again(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    fail(clinic, scan_id, "The <picture> cannot be decoded.")
    page = doctor.page(url(scan_id))
    assert "The <picture> cannot be decoded." in page.select_one("#analysis").get_text()
    assert page.select_one("form[action$=analyze] button").get_text(strip=True) == "Try again"
    assert "cannot be decoded" in doctor.page("/doctor/").select_one(f"#scan-{scan_id}").get_text()
    assert doctor.post(url(scan_id, "analyze")).status_code == 303
    assert doctor.post(url(scan_id, "analyze")).status_code == 409


def test_reading_without_the_classifier_asks_for_a_reason_until_it_failed_twice(
    doctor: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan().id
    fail(clinic, scan_id)
    answer = doctor.post(url(scan_id, "read-without-ai"), {"reason": " "})
    assert answer.status_code == 422
    page = soup(answer)
    assert page.select_one("#without-reason-error") and page.select_one("details[open] #without-reason")
    fail(clinic, scan_id)
    assert doctor.post(url(scan_id, "read-without-ai")).status_code == 303
    page = doctor.page(url(scan_id))
    assert page.select_one("[name=agreement]") is None
    assert page.select_one("[name=read_myself]") is not None
    refused = doctor.post(url(scan_id, "verify"), {"findings": "Clear."})
    assert refused.status_code == 422 and "The classifier is uncertain" not in words(refused)
    for field, asked in (
        ("diagnosis", "give your own diagnosis."),
        ("read_myself", "state that you have read"),
    ):
        beside = soup(refused).select_one(f"#{field}-error").get_text()
        assert f"The classifier has not read this scan: {asked}" in beside
    done = {"findings": "Clear.", "diagnosis": "Normal", "read_myself": "y"}
    assert doctor.post(url(scan_id, "verify"), done).status_code == 303


def test_the_region_of_the_analysis_asks_until_it_is_done_then_fetches_the_page(
    doctor: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan().id
    doctor.post(url(scan_id, "analyze"))
    answer = doctor.fragment(url(scan_id, "analysis"))
    one_root(answer, "analysis")
    assert soup(answer).select_one("#analysis")["hx-headers"] == '{"X-CSSS-Refresh": "1"}'
    clinic.run_jobs("analyse_scan")
    region = soup(doctor.fragment(url(scan_id, "analysis"))).select_one("#analysis")
    assert (region["hx-get"], region["hx-trigger"], region["hx-target"]) == (url(scan_id), "load", "#reading")
    assert doctor.get(url(scan_id, "analysis")).headers["Location"] == url(scan_id)


def test_an_analysis_that_hangs_is_asked_for_ever_more_rarely(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    doctor.post(url(scan_id, "analyze"))
    run = db.session.scalars(select(AnalysisRun).where(AnalysisRun.scan_id == scan_id)).one()
    assert run.state is RunState.QUEUED
    with transaction():
        run.requested_at -= timedelta(days=365)
    region = soup(doctor.fragment(url(scan_id, "analysis"))).select_one("#analysis")
    assert region["hx-trigger"] == "live, every 60s"


# Priority, closing, corrections, addenda


def test_priority_is_one_of_two(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    assert doctor.post(url(scan_id, "priority"), {"priority": "soon"}).status_code == 422
    assert doctor.post(url(scan_id, "priority")).status_code == 422
    answer = doctor.post(url(scan_id, "priority"), {"priority": "urgent"}, htmx=True)
    one_root(answer, "reading")
    assert "The priority has been changed." in words(answer)
    assert fresh(scan_id).priority is Priority.URGENT
    released = clinic.scan(Status.REPORT_READY)
    assert doctor.post(url(released, "priority"), {"priority": "soon"}).status_code == 409


def test_a_closed_scan_leaves_the_list_and_keeps_its_reason(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    answer = doctor.post(url(scan_id, "close"))
    assert answer.status_code == 422
    assert soup(answer).select_one("details[open] #close-reason-error") is not None
    assert doctor.post(url(scan_id, "close"), {"reason": "Not a <scan>."}).status_code == 303
    page = doctor.get(url(scan_id))
    assert "Not a &lt;scan&gt;." in page.get_data(as_text=True)
    assert soup(page).select("main form[method=post]:not([action$='/logout'])") == []
    assert listed(doctor, "?status=all") == []
    assert doctor.post(url(scan_id, "close"), {"reason": "Again"}).status_code == 409


def test_a_correction_stands_beside_what_it_corrects(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    assert doctor.page(url(scan_id)).select_one("form[action$=correct]") is None
    hold(clinic, scan_id, note="Left or <right>?")
    page = doctor.page(url(scan_id))
    assert "Left or <right>?" in page.get_text()
    assert page.select_one("form[action$=correct] #findings").get_text().strip() == "Clear lungs."
    answer = doctor.post(url(scan_id, "correct"), {**LOOKED, "findings": ""})
    assert answer.status_code == 422
    assert (
        doctor.post(url(scan_id, "correct"), {**LOOKED, "findings": "Clear right lung."}).status_code == 303
    )
    scan = fresh(scan_id)
    assert [review.findings for review in scan.reviews] == ["Clear lungs.", "Clear right lung."]
    assert scan.status is Status.PHARMACIST_COMPLETED
    text = words(doctor.get(url(scan_id)))
    assert "Reading, version 2" in text and "Clear lungs." in text and "Answered" in text


def test_a_hold_for_the_pharmacist_is_shown_without_a_form(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    hold(clinic, scan_id, HoldFor.PHARMACIST)
    assert db.session.scalars(select(ScanHold)).one().to is HoldFor.PHARMACIST
    page = doctor.page(url(scan_id))
    assert "A correction by the pharmacist has been asked for" in page.get_text()
    assert page.select_one("form[action$=correct]") is None
    assert listed(doctor) == []


def test_an_addendum_makes_a_new_version_and_the_old_one_stays(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.REPORT_READY).id
    clinic.run_jobs("render_report")
    assert doctor.post(url(scan_id, "addendum"), {"note": " "}).status_code == 422
    assert doctor.post(url(scan_id, "addendum"), {"note": "Seen <again>."}).status_code == 303
    assert "new version of the report is being made" in words(doctor.get(url(scan_id)))
    clinic.run_jobs("render_report")
    page = doctor.page(url(scan_id))
    links = page.select("#report .versions a")
    assert ["Version 2" in links[0].get_text(), "Version 1" in links[1].get_text()] == [True, True]
    assert doctor.get(links[0]["href"]).data.startswith(b"%PDF")
    assert "Seen <again>." in page.select_one("#report").get_text()


# Around it


def test_pages_and_fragments(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    for address, root in (("/doctor/", "worklist"), (url(scan), "reading")):
        one_root(doctor.fragment(address), root)
        whole = doctor.get(address)
        assert "HX-Request" in whole.headers["Vary"]
        assert len(soup(whole).select(f"html #{root}")) == 1


def test_no_id_stands_twice_on_a_page(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    pending = clinic.scan(patient=patient)
    analysed = clinic.scan(Status.AI_ANALYZED, patient=patient, result=reading("COVID", 0.5))
    for address in ("/doctor/", url(pending), url(analysed)):
        ids = [tag["id"] for tag in doctor.page(address).select("[id]")]
        assert len(ids) == len(set(ids)), address


def test_other_scans_of_the_same_patient_are_one_click_away(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    first, second = clinic.scan(patient=patient).id, clinic.scan(patient=patient).id
    stranger = clinic.scan().id
    page = doctor.page(url(second))
    assert page.select_one(f"a[href='{url(first)}']") is not None
    assert page.select_one(f"a[href='{url(stranger)}']") is None


def test_only_doctors_come_here(
    clinic: Clinic, patient: Visitor, pharmacist: Visitor, doctor: Visitor
) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, patient=patient.user)
    for visitor in (patient, pharmacist):
        assert visitor.get("/doctor/").status_code == 403
        assert visitor.get(url(scan)).status_code == 403
        assert visitor.post(url(scan, "verify"), LOOKED).status_code == 403
    missing = uuid.uuid4()
    assert doctor.get(url(missing)).status_code == 404
    for step in ("analyze", "verify", "correct", "read-without-ai", "close", "priority", "addendum"):
        sent = {**LOOKED, "reason": "x", "note": "x", "priority": "urgent"}
        assert doctor.post(url(missing, step), sent).status_code == 404, step
