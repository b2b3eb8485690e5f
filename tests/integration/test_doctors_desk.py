"""What a doctor types is kept until it is signed; blocks of text save typing; earlier scans stand beside the new one."""

import re
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from csss.clock import now
from csss.database import db, transaction
from csss.scans import report_templates, review_drafts
from csss.scans.draft_models import ReportTemplate, ReviewDraft
from csss.scans.models import Scan
from csss.scans.review_text import ReviewText
from csss.scans.starter_templates import STARTER
from csss.scans.states import Agreement, HoldFor, ScanKind, Status
from tests.factories import Clinic, reading
from tests.integration.doctor import LOOKED, hold, url
from tests.visitor import Visitor, soup, words

TYPED = {"findings": "Hazy <left> base", "impression": "Maybe", "diagnosis": "?", "agreement": "partly"}


def field(page: object, name: str) -> str:
    return str(page.select_one(f"#{name}").get_text()).strip()  # type: ignore[attr-defined]


def kept() -> list[ReviewDraft]:
    return list(db.session.scalars(select(ReviewDraft)))


# Drafts


def test_what_is_typed_is_kept_and_comes_back_with_the_time(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.5))
    answer = doctor.post(url(scan, "draft"), {**TYPED, "read_myself": "y"}, htmx=True)
    assert answer.status_code == 200 and "HX-Request" in answer.headers["Vary"]
    assert re.fullmatch(r"Draft saved \d\d:\d\d", words(answer))
    page = doctor.page(url(scan))
    assert field(page, "findings") == TYPED["findings"] and field(page, "impression") == "Maybe"
    assert page.select_one("#diagnosis")["value"] == "?"
    assert page.select_one("[name=agreement][value=partly]").has_attr("checked")
    assert "Draft saved" in page.select_one("#draft-status").get_text()
    assert not page.select_one("#read_myself").has_attr("checked"), "to have read it is stated when signing"
    doctor.post(url(scan, "draft"), {**TYPED, "findings": "Clear after all"}, htmx=True)
    assert [draft.findings for draft in kept()] == ["Clear after all"]


def test_without_script_a_button_keeps_the_draft(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    page = doctor.page(url(scan))
    first = page.select_one("#review-form button")
    assert first["formaction"] == url(scan, "draft"), "what Enter presses never signs"
    answer = doctor.post(first["formaction"], TYPED)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{url(scan)}#reading-form")
    assert field(doctor.page(url(scan)), "findings") == TYPED["findings"]


def test_a_draft_is_seen_by_nobody_else(clinic: Clinic, doctor: Visitor) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    doctor.post(url(scan, "draft"), TYPED, htmx=True)
    for role in ("doctor", "admin", "pharmacist", "patient"):
        other = clinic.visitor(scan.patient.user if role == "patient" else clinic.person(role))
        for address in (f"/{role}/", f"/{role}/scans/{scan.id}"):
            assert "Hazy" not in other.get(address).get_data(as_text=True), address
    again = clinic.visitor(doctor.user)
    assert field(again.page(url(scan)), "findings") == TYPED["findings"], "after signing in anew it is there"


def test_a_draft_goes_when_it_is_signed_and_when_the_scan_is_closed(doctor: Visitor, clinic: Clinic) -> None:
    signed, closed = clinic.scan(Status.AI_ANALYZED), clinic.scan(Status.AI_ANALYZED)
    for scan in (signed, closed):
        doctor.post(url(scan, "draft"), TYPED, htmx=True)
    assert doctor.post(url(signed, "verify"), LOOKED).status_code == 303
    assert [draft.scan_id for draft in kept()] == [closed.id]
    assert doctor.post(url(closed, "close"), {"reason": "Blurred"}).status_code == 303
    assert kept() == []


def test_an_empty_form_and_the_button_throw_the_draft_away(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    doctor.post(url(scan, "draft"), TYPED, htmx=True)
    assert words(doctor.post(url(scan, "draft"), {"findings": " \n"}, htmx=True)) == ""
    assert kept() == []
    doctor.post(url(scan, "draft"), TYPED, htmx=True)
    assert doctor.post(url(scan, "draft/discard")).status_code == 303
    assert kept() == [] and field(doctor.page(url(scan)), "findings") == ""


def test_when_a_colleague_signs_first_the_draft_stays_to_be_copied(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    doctor.post(url(scan_id, "draft"), TYPED, htmx=True)
    clinic.verify(scan_id, clinic.person("doctor"), "Theirs")
    late = doctor.post(url(scan_id, "draft"), {**TYPED, "findings": "More"}, htmx=True)
    assert late.status_code == 409 and "A doctor has verified the scan already" in words(late)
    refused = doctor.post(url(scan_id, "verify"), {**LOOKED, "findings": "My last word"})
    assert refused.status_code == 409 and "My last word" in soup(refused).select_one("#unsigned").get_text()
    page = doctor.page(url(scan_id))
    assert "Hazy <left> base" in page.select_one("#unsigned").get_text()
    assert page.select_one("#unsigned form")["action"] == url(scan_id, "draft/discard")


def test_a_correction_has_a_draft_too(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    assert doctor.post(url(scan_id, "draft"), TYPED, htmx=True).status_code == 409
    hold(clinic, scan_id, HoldFor.DOCTOR)
    assert field(doctor.page(url(scan_id)), "findings") == "Clear lungs."
    doctor.post(url(scan_id, "draft"), TYPED, htmx=True)
    assert field(doctor.page(url(scan_id)), "findings") == TYPED["findings"]
    assert doctor.post(url(scan_id, "correct"), LOOKED).status_code == 303
    assert kept() == []


def test_a_correction_begins_with_what_was_signed_and_not_with_an_older_draft(
    doctor: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    doctor.post(url(scan_id, "draft"), TYPED, htmx=True)
    clinic.verify(scan_id, clinic.person("doctor"), "What a colleague signed")
    hold(clinic, scan_id, HoldFor.DOCTOR)
    page = doctor.page(url(scan_id))
    assert field(page, "findings") == "What a colleague signed"
    assert TYPED["findings"] in page.select_one("#unsigned").get_text(), "it can still be copied"
    assert page.select_one("#draft-status").get_text() == ""


def test_a_forgotten_draft_is_not_kept_for_ever(doctor: Visitor, clinic: Clinic) -> None:
    old, new = clinic.scan(Status.AI_ANALYZED), clinic.scan(Status.AI_ANALYZED)
    doctor.post(url(old, "draft"), TYPED, htmx=True)
    with transaction():
        db.session.execute(
            update(ReviewDraft).values(saved_at=now() - review_drafts.KEEP - timedelta(days=1))
        )
    doctor.post(url(new, "draft"), TYPED, htmx=True)
    assert [draft.scan_id for draft in kept()] == [new.id]


def test_nonsense_in_a_draft_is_no_error_and_too_much_is_said(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    assert (
        doctor.post(url(scan, "draft"), {"findings": "x", "agreement": "perhaps"}, htmx=True).status_code
        == 200
    )
    assert kept()[0].agreement is None
    answer = doctor.post(url(scan, "draft"), {"findings": "x" * 50_001}, htmx=True)
    assert answer.status_code == 422 and "too long" in words(answer)
    assert kept()[0].findings == "x"


@pytest.mark.both_databases
def test_a_doctor_has_one_draft_of_a_scan(clinic: Clinic) -> None:
    scan_id, doctor = clinic.scan(Status.AI_ANALYZED).id, clinic.person("doctor")
    for text in ("one", "two"):
        with transaction():
            review_drafts.save(scan_id, ReviewText(text, agreement=Agreement.AGREE), by=doctor)
    assert [(draft.findings, draft.agreement) for draft in kept()] == [("two", Agreement.AGREE)]


# Templates


def test_a_starter_set_is_offered_that_fits_the_scan(doctor: Visitor, clinic: Clinic) -> None:
    for kind in ScanKind:
        scan = clinic.scan(Status.AI_ANALYZED, kind=kind)
        titles = [option.get_text() for option in doctor.page(url(scan)).select("#template option")]
        assert titles == [title for _, of, title, *_ in STARTER if of in {None, kind}]
        assert len(titles) >= 6
    assert len({key for key, *_ in STARTER}) == len(STARTER)


def test_without_script_insert_adds_the_text_and_keeps_what_was_typed(
    doctor: Visitor, clinic: Clinic
) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    option = doctor.page(url(scan)).find("option", string="Pleural effusion")
    sent = {**TYPED, "impression": "", "template": option["value"]}
    assert doctor.post(url(scan, "insert"), sent).status_code == 303
    page = doctor.page(url(scan))
    assert field(page, "findings") == f"{TYPED['findings']}\n{option['data-findings']}"
    assert field(page, "impression") == option["data-impression"]
    assert page.select_one("#diagnosis")["value"] == "?", "the diagnosis is the doctor's alone"

    gone = {**TYPED, "findings": "Written meanwhile", "template": str(uuid.uuid4())}
    assert doctor.post(url(scan, "insert"), gone).status_code == 303
    page = doctor.page(url(scan))
    assert field(page, "findings") == "Written meanwhile"
    assert "no longer exists. What you have written is kept." in page.get_text(" ")


def test_a_gap_that_is_left_open_is_not_signed(doctor: Visitor, clinic: Clinic) -> None:
    """ "Consolidation in the [right/left] zone" must never reach a patient."""
    scan = clinic.scan(Status.AI_ANALYZED)
    left = {**LOOKED, "findings": "Airspace opacity in the [right/left] zone.", "impression": "[date]"}
    answer = doctor.post(url(scan, "verify"), left)
    assert answer.status_code == 422
    page = soup(answer)
    assert "[right/left]" in page.select_one("#findings-error").get_text()
    assert "[date]" in page.select_one("#impression-error").get_text()
    own = {**LOOKED, "findings": "Clear [sic] lungs."}
    assert doctor.post(url(scan, "verify"), own).status_code == 303, "brackets of one's own mean nothing"


def test_a_doctor_makes_the_set_the_own_one(doctor: Visitor, clinic: Clinic) -> None:
    page = doctor.page("/doctor/templates")
    assert len(page.select("li[id^=template-]")) == len(STARTER)
    change = page.select_one("li[id^=template-] a")["href"]
    form = doctor.page(change)
    assert form.select_one("#title")["value"] == "Normal chest"
    new = {"title": "All <clear>", "kind": "", "findings": "Clear.", "impression": ""}
    assert doctor.post(change, new).headers["Location"] == "/doctor/templates"
    assert doctor.post("/doctor/templates", {**new, "title": "Last"}).status_code == 303
    own = report_templates.of(doctor.user)
    assert [own[0].title, own[0].kind, own[-1].title] == ["All <clear>", None, "Last"]
    assert len(own) == len(STARTER) + 1
    stranger = clinic.visitor(clinic.person("doctor"))
    assert "All &lt;clear&gt;" not in stranger.get("/doctor/templates").get_data(as_text=True)
    for step in ("", "/delete", "/move"):
        assert stranger.post(f"{change}{step}", new).status_code == 404
    assert stranger.get(change).status_code == 404


def test_the_order_is_changed_and_a_template_deleted(doctor: Visitor) -> None:
    first, second, *_ = (each.id for each in report_templates.of(doctor.user))
    assert doctor.post(f"/doctor/templates/{first}/move", {"to": "down"}).status_code == 303
    assert [each.id for each in report_templates.of(doctor.user)][:2] == [second, first]
    for _ in range(3):  # at the top nothing happens any more
        doctor.post(f"/doctor/templates/{first}/move", {"to": "up"})
    assert [each.id for each in report_templates.of(doctor.user)][:2] == [first, second]
    answer = doctor.post(f"/doctor/templates/{first}/delete", htmx=True)
    assert answer.status_code == 200 and soup(answer).select_one("#templates") is not None
    assert report_templates.of(doctor.user)[0].id == second


def test_whoever_deletes_the_last_has_the_starter_set_again(doctor: Visitor) -> None:
    for each in list(report_templates.of(doctor.user)):
        assert doctor.post(f"/doctor/templates/{each.id}/delete").status_code == 303
    assert [each.title for each in report_templates.of(doctor.user)] == [title for _, _, title, *_ in STARTER]
    assert list(db.session.scalars(select(ReportTemplate))) == []


def test_a_template_needs_a_name_and_a_text(doctor: Visitor) -> None:
    answer = doctor.post(
        "/doctor/templates", {"title": " ", "findings": "", "impression": " ", "kind": "moon"}
    )
    assert answer.status_code == 422
    page = soup(answer)
    assert page.select_one("#title-error") and page.select_one("#findings-error")
    long = doctor.post("/doctor/templates", {"title": "x" * 81, "findings": "y" * 4_001})
    assert long.status_code == 422 and "y" * 4_001 in long.get_data(as_text=True)


# On to the next, and earlier scans


def test_verify_and_go_to_the_next_opens_the_next_scan_then_the_worklist(
    doctor: Visitor, clinic: Clinic
) -> None:
    first, second = clinic.scan(Status.AI_ANALYZED).id, clinic.scan(Status.AI_ANALYZED).id
    answer = doctor.post(url(first, "verify"), {**LOOKED, "then": "next"})
    assert (answer.status_code, answer.headers["Location"]) == (303, url(second))
    answer = doctor.post(url(second, "verify"), {**LOOKED, "then": "next"}, htmx=True)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/doctor/")
    assert db.session.get_one(Scan, second).status is Status.DOCTOR_VERIFIED


def test_another_scan_of_the_patient_stands_beside_it(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    earlier = clinic.scan(Status.DOCTOR_VERIFIED, patient=patient).id
    new = clinic.scan(Status.AI_ANALYZED, patient=patient).id
    page = doctor.page(url(new))
    line = page.select_one("#others li")
    assert "Normal chest" in line.get_text() and "Verified by doctor" in line.get_text()
    assert line.img["src"] == f"/scans/{earlier}/image?size=thumbnail"
    both = doctor.page(line.select_one("a.button")["href"])
    assert [viewer["id"] for viewer in both.select("[data-viewer]")] == [
        f"viewer-{new}",
        f"viewer-{earlier}",
    ]
    refused = doctor.post(both.select_one("#review-form")["action"], {**TYPED, "findings": ""})
    assert refused.status_code == 422
    assert len(soup(refused).select("[data-viewer]")) == 2, "a refused form leaves it where it is"
    for other in (clinic.scan().id, new, "nonsense", uuid.uuid4()):
        assert doctor.get(f"{url(new)}?compare={other}").status_code == 404, other


def test_the_page_says_in_numbers_why_a_scan_is_uncertain(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.5))
    text = doctor.page(url(scan)).select_one("#classifier").get_text(" ")
    assert "nearest: COVID-19, 50.0" in text and "Next comes “" in text
    assert text.count("50.0") == 2, "beside the nearest class and its bar"
    assert "threshold τ of 75\u00a0%" in text


def test_the_page_asks_for_the_preview_alone(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    html = doctor.get(url(scan)).get_data(as_text=True)
    page = soup(doctor.get(url(scan)))
    pictures = [each["src"] for each in page.select("img") if not each.find_parent("noscript")]
    assert pictures == [f"/scans/{scan.id}/image?size=preview"]
    assert page.select_one(f"a[href='/scans/{scan.id}/image']") is not None, "the full one without script"
    assert f'data-heatmap="/scans/{scan.id}/heatmap"' in html
