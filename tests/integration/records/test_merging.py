"""Two records of one person become one: seen, confirmed, traced, undone; nothing is mixed silently."""

from datetime import date

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from csss.auth.models import InvitedRole, StaffInvitation
from csss.database import Base, db, transaction
from csss.erasing import services as erasing
from csss.errors import Invalid, StateConflict
from csss.people import merged as merges
from csss.people.models import AccountState, Patient, User
from csss.people.record_models import MergedScan, RecordMerge
from csss.records import identity, invitations, matching, merging
from csss.reports import queries
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import Clinic
from tests.integration.records.desk import again, loose, make, merge, scan_of, slip
from tests.visitor import words

SCANS = Base.metadata.tables["scans"]


@pytest.fixture
def two(clinic: Clinic, admin_user: User) -> tuple[Patient, Patient]:
    return make(admin_user), make(admin_user, email="rani@csss.example")


@pytest.mark.both_databases
def test_the_scans_come_along_in_their_state_and_each_tells_where_it_came_from(
    clinic: Clinic, admin_user: User, two: tuple[Patient, Patient]
) -> None:
    kept, merged = two
    own, moved = scan_of(clinic, kept), scan_of(clinic, merged, Status.DOCTOR_VERIFIED)
    made = merge(kept, merged, admin_user)
    after = db.session.get_one(Scan, moved.id)
    db.session.refresh(after)
    assert after.patient_id == kept.id and after.status is Status.DOCTOR_VERIFIED
    origin = merges.origin_of(after.id)
    assert origin is not None and origin.mrn == merged.mrn
    assert merges.origin_of(own.id) is None
    assert [each.scan_id for each in db.session.scalars(sa.select(MergedScan))] == [moved.id]
    assert made.reason == "Registered twice" and again(merged).merged_at is not None


def test_every_page_about_a_moved_scan_says_so(
    clinic: Clinic, admin_user: User, two: tuple[Patient, Patient]
) -> None:
    kept, merged = two
    scan = scan_of(clinic, merged, Status.PHARMACIST_COMPLETED)
    merge(kept, merged, admin_user)
    for role in ("doctor", "pharmacist", "admin"):
        page = clinic.visitor(clinic.person(role)).page(f"/{role}/scans/{scan.id}")
        assert f"MRN {merged.mrn}" in words(page), role


def test_a_report_made_afterwards_names_both_numbers(
    clinic: Clinic, admin_user: User, two: tuple[Patient, Patient]
) -> None:
    from csss.reports.build import report_context

    kept, merged = two
    scan = scan_of(clinic, merged, Status.PHARMACIST_COMPLETED)
    merge(kept, merged, admin_user)
    printed = report_context(db.session.get_one(Scan, scan.id), report_id="x", version=1).patient
    assert kept.mrn in printed.mrn and merged.mrn in printed.mrn


@pytest.mark.parametrize("left_out", ["name", "date_of_birth", "sex"])
def test_each_difference_is_confirmed_or_nothing_happens(
    admin_user: User, two: tuple[Patient, Patient], left_out: str
) -> None:
    kept, _ = two
    other = make(admin_user, name="Anil Kumar", date_of_birth="1971-01-01", sex="male")
    wanted = merging.to_confirm(kept, other)
    assert set(wanted) == {"name", "date_of_birth", "sex"}
    with pytest.raises(Invalid) as refused:
        merge(kept, other, admin_user, confirmed=[each for each in wanted if each != left_out])
    assert set(refused.value.errors) == {left_out}
    assert again(other).merged_at is None and db.session.scalars(sa.select(RecordMerge)).all() == []


def test_without_a_reason_nothing_is_merged(admin_user: User, two: tuple[Patient, Patient]) -> None:
    with pytest.raises(Invalid, match="reason"):
        merge(*two, admin_user, reason="  ")


def test_a_record_that_changed_since_it_was_shown_is_looked_at_again(
    admin_user: User, two: tuple[Patient, Patient]
) -> None:
    kept, merged = two
    seen = merging.seen_of(kept, merged)
    with transaction():
        again(merged).date_of_birth = date(1999, 9, 9)
    with pytest.raises(StateConflict, match="has changed"):
        merge(kept, merged, admin_user, seen=seen, confirmed=["date_of_birth"])


@pytest.mark.both_databases
def test_no_merge_while_a_report_is_being_made(
    clinic: Clinic, admin_user: User, two: tuple[Patient, Patient]
) -> None:
    kept, merged = two
    scan = scan_of(clinic, merged, Status.REPORT_READY)
    with pytest.raises(StateConflict, match="being made"):
        merge(kept, merged, admin_user)
    clinic.run_jobs("render_report")
    stored = queries.versions(db.session.get_one(Scan, scan.id))[0].sha256
    merge(again(kept), again(merged), admin_user)
    assert queries.versions(db.session.get_one(Scan, scan.id))[0].sha256 == stored


@pytest.mark.both_databases
def test_of_two_accounts_one_is_closed_and_only_when_that_is_confirmed(
    clinic: Clinic, admin_user: User
) -> None:
    first, second = (loose(clinic.person("patient", name="Rani Record")) for _ in range(2))
    assert first.patient is not None and second.patient is not None
    scan = loose(clinic.scan(patient=second))
    at_home = clinic.visitor(second)
    with pytest.raises(Invalid):
        merge(first.patient, second.patient, admin_user, confirmed=())
    merge(first.patient, second.patient, admin_user)
    assert db.session.get_one(User, second.id).state is AccountState.DEACTIVATED
    assert at_home.get("/patient/").status_code == 302
    assert (
        clinic.visitor(db.session.get_one(User, first.id)).get(f"/patient/scans/{scan.id}").status_code == 200
    )
    answer = clinic.visitor(admin_user).post(
        f"/admin/users/{second.id}/reactivate?at=account", {"current_password": "correct horse battery"}
    )
    assert answer.status_code == 409


@pytest.mark.both_databases
def test_the_only_account_goes_with_the_scans_and_comes_back_when_it_is_undone(
    clinic: Clinic, admin_user: User, two: tuple[Patient, Patient]
) -> None:
    kept, _ = two
    user = clinic.person("patient", name="Rani Record")
    assert user.patient is not None
    merged, user = loose(user.patient), loose(user)
    own, came = loose(clinic.scan(patient=user)), scan_of(clinic, kept)
    made = merge(kept, merged, admin_user)
    assert again(kept).user_id == user.id
    person, made_id = clinic.visitor(db.session.get_one(User, user.id)), made.id
    assert [person.get(f"/patient/scans/{each.id}").status_code for each in (own, came)] == [200, 200]
    with transaction():
        merging.separate(made_id, reason="Two people", by=admin_user)
    assert again(merged).user_id == user.id and again(kept).user_id is None
    assert [person.get(f"/patient/scans/{each.id}").status_code for each in (own, came)] == [200, 404]


@pytest.mark.both_databases
def test_an_undone_merge_leaves_its_trace_and_is_undone_once(
    clinic: Clinic, admin_user: User, two: tuple[Patient, Patient]
) -> None:
    kept, merged = two
    moved, later = scan_of(clinic, merged), None
    made = merge(kept, merged, admin_user)
    later = scan_of(clinic, kept)
    with transaction():
        merging.separate(made.id, reason="Sisters", by=admin_user)
    with pytest.raises(StateConflict), transaction():
        merging.separate(made.id, reason="Sisters", by=admin_user)
    owners = {each: db.session.get_one(Scan, each).patient_id for each in (moved.id, later.id)}
    assert owners == {moved.id: merged.id, later.id: kept.id}
    assert again(merged).merged_at is None
    page = words(clinic.visitor(admin_user).page(f"/admin/patients/{kept.id}"))
    assert "Registered twice" in page and "Sisters" in page


def test_reports_made_while_they_were_one_are_named_when_it_is_undone(
    clinic: Clinic, admin_user: User, two: tuple[Patient, Patient]
) -> None:
    kept, merged = two
    scan = scan_of(clinic, merged, Status.PHARMACIST_COMPLETED)
    made = merge(kept, merged, admin_user)
    clinic.approve(scan.id, admin_user)
    clinic.run_jobs("render_report")
    with transaction():
        merging.separate(made.id, reason="Sisters", by=admin_user)
    assert [each.scan_id for each in merging.reports_made_between(made)] == [scan.id]
    assert "have a doctor add an addendum" in words(
        clinic.visitor(admin_user).page(f"/admin/patients/{kept.id}")
    )


def test_a_merged_record_takes_nothing_and_leads_to_the_one_that_goes_on(
    clinic: Clinic, admin_user: User, two: tuple[Patient, Patient]
) -> None:
    kept, merged = two
    code = slip(merged, admin_user)
    merge(kept, merged, admin_user)
    found = identity.with_mrn(merged.mrn)
    assert found is not None and found.id == kept.id
    named = matching.NamedPatient(
        frozenset({("", merged.mrn)}), "Rani Record", merged.date_of_birth, "female"
    )
    attached = identity.find(named).record
    assert attached is not None and attached.id == kept.id
    assert not invitations.is_right(merged.mrn, merged.date_of_birth, code)
    third = make(admin_user)
    for pair in ((merged, third), (third, merged)):
        with pytest.raises(StateConflict):
            merge(again(pair[0]), again(pair[1]), admin_user)


def test_a_legal_hold_is_not_merged_away(admin_user: User, two: tuple[Patient, Patient]) -> None:
    kept, merged = two
    with transaction():
        erasing.place_hold(merged.id, reason="Lawsuit", by=admin_user)
    with pytest.raises(StateConflict, match="legal hold"):
        merge(kept, merged, admin_user)
    merge(again(merged), again(kept), admin_user)  # the other way round the hold stays where it is


@pytest.mark.both_databases
def test_who_is_erased_is_erased_with_every_record_that_became_part(
    clinic: Clinic, admin_user: User, two: tuple[Patient, Patient]
) -> None:
    kept, merged = two
    scan = scan_of(clinic, merged, Status.AI_ANALYZED)
    with transaction():
        invited = StaffInvitation(
            email=merged.email, name=merged.name, role=InvitedRole.DOCTOR, invited_by_id=admin_user.id
        )
        db.session.add(invited)
    merge(kept, merged, admin_user)
    with pytest.raises(StateConflict, match="part of another"), transaction():
        erasing.erase_as_deployer(merged.mrn, reason="Asked for", password_hash="x")
    with transaction():
        erasing.erase_as_deployer(kept.mrn, reason="Asked for", password_hash="x")
    assert db.session.get(Scan, scan.id) is None
    for each in (again(kept), again(merged)):
        assert each.is_erased and each.name == "Erased patient" and each.email == ""
    assert db.session.scalars(sa.select(RecordMerge.reason)).all() == ["Registered twice"]
    assert db.session.scalars(sa.select(StaffInvitation)).all() == [], "its name and address stood in it"


@pytest.mark.both_databases
def test_the_database_moves_no_scan_without_a_merge(
    clinic: Clinic, admin_user: User, two: tuple[Patient, Patient]
) -> None:
    kept, merged = two
    scan = scan_of(clinic, merged)
    move = sa.update(SCANS).where(SCANS.c.id == scan.id).values(patient_id=kept.id)
    db.session.remove()
    with pytest.raises(IntegrityError, match="only by a merge"), db.engine.connect() as connection:
        connection.execute(move)


def test_the_page_shows_both_and_merges_with_a_reason(
    clinic: Clinic, admin_user: User, two: tuple[Patient, Patient]
) -> None:
    kept, merged = two
    scan_of(clinic, merged)
    visitor = clinic.visitor(admin_user)
    page = visitor.page(f"/admin/patients/{kept.id}/merge?other={merged.mrn}")
    form = page.select_one("#merge-form form")
    assert form is not None
    fields = {each["name"]: each.get("value", "") for each in form.select("input[type=hidden]")}
    answer = visitor.post(f"/admin/patients/{kept.id}/merge", fields | {"reason": ""})
    assert answer.status_code == 422
    answer = visitor.post(f"/admin/patients/{kept.id}/merge", fields | {"reason": "Registered twice"})
    assert answer.status_code == 303
    assert "became part of this one" in words(visitor.page(f"/admin/patients/{kept.id}"))
    assert visitor.get(f"/admin/patients/{kept.id}/merge?other=0").status_code == 422


@pytest.mark.parametrize(
    ("kept", "merged", "after"),
    [
        ("Penicillin", "Latex", "Penicillin\nLatex"),
        ("None known", "Latex", "Latex"),
        ("Penicillin", "none", "Penicillin"),
        ("", "None known", "None known"),
        ("Penicillin, latex", "latex", "Penicillin, latex"),
    ],
)
def test_no_allergy_is_lost(admin_user: User, kept: str, merged: str, after: str) -> None:
    first, second = (make(admin_user, allergies=each) for each in (kept, merged))
    merge(first, second, admin_user)
    assert again(first).allergies == after
