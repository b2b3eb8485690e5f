"""A doctor narrows the worklist, sorts it by its columns, and finds both again the next morning."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.clock import now, pretending
from csss.database import db, transaction
from csss.erasing.tables import GOES
from csss.people.models import AccountState, User
from csss.scans import claims, services
from csss.scans.draft_models import WorklistView
from csss.scans.models import Review
from csss.scans.states import ScanKind, Status
from csss.web.doctor import worklist_filter
from tests.factories import Clinic, reading
from tests.integration.doctor import listed, taken_to, url
from tests.visitor import Visitor, words

LONG_AGO = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.both_databases
def test_the_list_is_filtered_by_kind_finding_priority_and_day(doctor: Visitor, clinic: Clinic) -> None:
    with pretending(LONG_AGO):
        old = str(clinic.scan(kind=ScanKind.CARDIAC_MRI).id)
    covid = str(clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.97)).id)
    unsure = str(clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.5)).id)
    urgent = str(clinic.scan().id)
    doctor.post(url(clinic.scan().id, "priority"), {"priority": "routine"})
    doctor.post(f"/doctor/scans/{urgent}/priority", {"priority": "urgent"})
    assert listed(doctor, "?kind=cardiac_mri") == [old]
    assert listed(doctor, "?finding=COVID") == [covid]
    assert listed(doctor, "?finding=Uncertain") == [unsure]
    assert listed(doctor, "?priority=urgent") == [urgent]
    assert listed(doctor, "?to=2026-03-01") == listed(doctor, "?from=2026-03-01&to=2026-03-01") == [old]
    assert old not in listed(doctor, "?from=2026-03-02") and urgent in listed(doctor, "?from=2026-03-02")
    assert listed(doctor, "?kind=chest_xray&finding=COVID&from=2026-03-02&status=all") == [covid]
    page = doctor.page("/doctor/?kind=cardiac_mri&finding=COVID")
    assert "No scan here fits these filters" in page.get_text()
    assert page.select_one("details.more-filters").has_attr("open")


@pytest.mark.both_databases
def test_the_list_is_filtered_by_who_reads(doctor: Visitor, clinic: Clinic) -> None:
    colleague, patient = clinic.person("doctor", name="Ada Okafor"), clinic.person("patient")
    colleague_id = colleague.id
    waiting = str(clinic.scan(Status.AI_ANALYZED).id)
    mine, hers = clinic.scan(Status.AI_ANALYZED).id, clinic.scan(Status.AI_ANALYZED).id
    signed = taken_to(clinic, Status.DOCTOR_VERIFIED, "Normal chest", patient)
    signed_id = signed.id
    signer = db.session.scalar(select(Review.doctor_id).where(Review.scan_id == signed_id))
    with transaction():
        claims.take(mine, by=db.session.get_one(User, doctor.user_id))
        claims.take(hers, by=db.session.get_one(User, colleague_id))
    assert listed(doctor, "?reader=me") == [str(mine)]
    assert listed(doctor, f"?reader={colleague_id}") == [str(hers)]
    assert listed(doctor, "?reader=nobody") == [waiting]
    assert listed(doctor, f"?reader={signer}&status=all") == [str(signed_id)]
    offered = doctor.page("/doctor/").select("[name=reader] option")
    assert "Ada Okafor" in {each.get_text() for each in offered}
    with pretending(now() + claims.LIFE + timedelta(minutes=1)):
        assert str(hers) in listed(clinic.visitor(clinic.person("doctor")), "?reader=nobody")


@pytest.mark.both_databases
def test_a_heading_sorts_and_turns_the_order(doctor: Visitor, clinic: Clinic) -> None:
    ids = {}
    for name in ("Zoë Adam", "émile Öz", "Bert Maas"):
        ids[name] = str(clinic.scan(patient=clinic.person("patient", name=name)).id)
    by_name = [ids["Bert Maas"], ids["émile Öz"], ids["Zoë Adam"]]
    assert listed(doctor, "?sort=patient") == by_name and listed(doctor, "?sort=-patient") == by_name[::-1]
    heart = str(clinic.scan(kind=ScanKind.CARDIAC_MRI).id)
    assert listed(doctor, "?sort=kind")[0] == listed(doctor, "?sort=-kind")[-1] == heart
    ready = str(clinic.scan(Status.AI_ANALYZED).id)
    assert listed(doctor, "?sort=-step")[0] == listed(doctor, "?sort=step")[-1] == ready
    head = doctor.page("/doctor/?sort=patient&priority=routine").select_one("th[aria-sort]")
    assert head["aria-sort"] == "ascending"
    turned = doctor.page(head.a["href"])
    assert turned.select_one("th[aria-sort]")["aria-sort"] == "descending"
    assert turned.select_one("[name=priority] option[selected]")["value"] == "routine", "the filters stay"
    assert doctor.page("/doctor/").select_one("th[aria-sort]") is None


@pytest.mark.parametrize("settings", [{"uploads_a_day": 100}], indirect=True)
@pytest.mark.parametrize("sort", ["patient", "kind", "-step", "confidence", "newest"])
def test_pages_of_a_sorted_list_show_each_scan_once(doctor: Visitor, clinic: Clinic, sort: str) -> None:
    patient = clinic.person("patient")
    with pretending(now()):
        made = {str(clinic.scan(patient=patient).id) for _ in range(27)}
    seen = listed(doctor, f"?sort={sort}&kind=chest_xray") + listed(
        doctor, f"?sort={sort}&kind=chest_xray&page=2"
    )
    assert len(seen) == 27 and set(seen) == made


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("from=31.02.2026", "“31.02.2026” is not a date"),
        ("to=0002-01-01", "“0002-01-01” is not a date"),
        ("from=2026-05-02&to=2026-05-01", "The first day is after the last day"),
        ("kind=knee", "“knee” is not one of the choices"),
        ("finding=<b>", "“<b>” is not one of the choices"),
        ("reader=00000000-0000-4000-8000-000000000000", "is not one of the choices"),
        ("reader=x", "“x” is not one of the choices"),
        ("priority=soon", "“soon” is not one of the choices"),
        ("sort=shoes", "“shoes” is not one of the choices"),
        ("status=nonsense", "“nonsense” is not one of the choices"),
    ],
)
def test_a_bad_filter_is_named_and_the_others_count(
    doctor: Visitor, clinic: Clinic, query: str, told: str
) -> None:
    anna = clinic.person("patient", name="Anna Berg")
    found = str(clinic.scan(patient=anna).id)
    clinic.scan()
    answer = doctor.get(f"/doctor/?q=berg&{query}")
    assert answer.status_code == 200 and told in words(answer)
    assert listed(doctor, f"?q=berg&{query}") == [found]
    assert told in words(doctor.get(f"/doctor/?q=berg&{query}", headers={"HX-Request": "true"}))


def test_the_classifiers_answer_can_be_hidden_from_lists_in_one_place(
    doctor: Visitor, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.scan(Status.AI_ANALYZED, result=reading("COVID", 0.97))
    other = clinic.scan().id
    monkeypatch.setattr(worklist_filter, "answers_are_listed", lambda: False)
    page = doctor.page("/doctor/?finding=COVID")
    assert page.select_one("[name=finding]") is None and str(other) in str(page)
    assert page.select_one("[name=sort] option[value=confidence]") is None


# The saved view


@pytest.mark.both_databases
def test_a_saved_view_opens_with_the_list_and_is_forgotten_at_a_press(
    doctor: Visitor, clinic: Clinic
) -> None:
    clinic.scan()
    shown = "?q=berg&kind=chest_xray&sort=newest&status=all"
    page = doctor.page(f"/doctor/{shown}")
    back = page.select_one("#row-form [name=back]")["value"]
    assert page.select_one("[formaction='/doctor/view']") and not page.select_one("[formaction$=forget]")
    assert doctor.post("/doctor/view", {"back": back}).status_code == 303
    opened = doctor.get("/doctor/")
    assert opened.status_code == 303
    assert set(opened.location.partition("?")[2].split("&")) == {
        "status=all",
        "sort=newest",
        "kind=chest_xray",
    }
    here = doctor.page(opened.location)
    assert not here.select_one("[formaction='/doctor/view']") and here.select_one("[formaction$=forget]")
    for query in ("?status=to_do", "?q=x"):
        elsewhere = doctor.page(f"/doctor/{query}")
        assert any(link["href"] == opened.location for link in elsewhere.select("#row-form a"))
    assert doctor.get("/doctor/", headers={"HX-Request": "true"}).status_code == 200
    other = clinic.visitor(clinic.person("doctor"))
    assert other.get("/doctor/").status_code == 200, "it is this doctor's own"
    doctor.post("/doctor/view", {"back": "kind=cardiac_mri"})
    assert doctor.get("/doctor/").location == "/doctor/?kind=cardiac_mri"
    doctor.post("/doctor/view/forget", {"back": "kind=cardiac_mri"})
    assert doctor.get("/doctor/").status_code == 200


def test_filters_that_hide_an_urgent_scan_say_so(doctor: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan().id
    with transaction():
        services.set_priority(scan_id, "urgent", by=doctor.user)
    told = "The filters hide 1 urgent scan that waits for a doctor."
    for query in ("?kind=cardiac_mri", "?priority=routine", "?kind=cardiac_mri&status=REPORT_READY"):
        assert told in words(doctor.page(f"/doctor/{query}")), query
    for query in ("", "?kind=chest_xray", "?priority=urgent", "?q=nobody"):
        assert "urgent scan that waits" not in words(doctor.page(f"/doctor/{query}")), query


def test_a_saved_view_does_not_end_on_a_day(doctor: Visitor, clinic: Clinic) -> None:
    doctor.post("/doctor/view", {"back": "kind=chest_xray&from=2026-01-01&to=2026-11-23"})
    assert doctor.get("/doctor/").location == "/doctor/?kind=chest_xray"


def test_no_name_is_saved_and_nothing_is_left_of_an_erased_account(doctor: Visitor, clinic: Clinic) -> None:
    doctor.post("/doctor/view", {"back": "q=Kanarienvogel&sort=newest&page=3&nonsense=1&kind=knee"})
    db.session.remove()
    assert db.session.scalar(select(WorklistView.filters)) == {"sort": "newest"}
    assert GOES["worklist_views"] == "user_id"


# What a row shows


def test_a_row_has_a_small_picture_and_both_times_and_stays_within_2_kb(
    doctor: Visitor, clinic: Clinic
) -> None:
    patient = clinic.person("patient", name="Maximiliane Theresa von Hohenstein-Wittelsbach")
    scan = clinic.scan(Status.AI_ANALYZED, patient=patient)
    doctor.post(url(scan.id, "priority"), {"priority": "urgent"})
    row = doctor.page("/doctor/").select_one(f"#scan-{scan.id}")
    picture, time = row.select_one("img.thumbnail"), row.select_one("time")
    assert picture["loading"] == "lazy" and picture["alt"] == ""
    assert doctor.get(picture["src"]).mimetype == "image/jpeg"
    assert time.get_text() == "under 5 min ago" and re.fullmatch(r"\d+ \w+ \d{4}, \d\d:\d\d", time["title"])
    assert datetime.fromisoformat(time["datetime"]).tzinfo is not None
    assert len(str(row).encode()) <= 2_000
    assert len(doctor.get(picture["src"]).data) <= 3_000


def test_a_small_picture_in_a_list_is_no_look_at_the_scan(doctor: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan()
    doctor.get(f"/scans/{scan.id}/image?size=thumbnail")
    db.session.remove()
    seen = select(AuditEvent.action).where(AuditEvent.action == "scan.image_viewed")
    assert db.session.scalars(seen).all() == []
    doctor.get(f"/scans/{scan.id}/image?size=preview")
    db.session.remove()
    assert db.session.scalars(seen).all() == ["scan.image_viewed"]


def test_a_doctor_who_has_left_can_still_be_asked_for(doctor: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient")
    signed = taken_to(clinic, Status.DOCTOR_VERIFIED, "Normal chest", patient)
    gone_id = db.session.scalar(select(Review.doctor_id).where(Review.scan_id == signed.id))
    with transaction():
        db.session.get_one(User, gone_id).state = AccountState.DEACTIVATED
    page = doctor.page(f"/doctor/?reader={gone_id}&status=all")
    assert page.select_one("[name=reader] option[selected]")["value"] == str(gone_id)
