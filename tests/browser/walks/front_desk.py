"""What an administrator does at the front desk, and what a patient does with a slip."""

import uuid
from datetime import date

from sqlalchemy import select

from csss.database import db, transaction
from csss.people import merged
from csss.people.models import Patient, User
from csss.records import addresses, services
from tests.browser.scene import Scene
from tests.factories import PASSWORD

BORN = date(1970, 5, 6)


def make_and_edit_a_patient(scene: Scene) -> None:
    """Looked for, not found, made; then edited, given a number, and the address confirmed from the mail."""
    name, scene_email = _name(), f"{uuid.uuid4().hex[:10]}@csss.example"
    scene.as_a("admin")
    hand = scene.hand
    hand.open("/admin/patients")
    hand.write("Name, MRN or another number", name)
    hand.press("Search")
    scene.reads("No patient was found")
    hand.follow("New patient")
    hand.write("Full name", name)
    hand.write_day("Date of birth", BORN)
    hand.pick("Sex", "Female")
    hand.write("E-mail address", scene_email)
    hand.press("Make the record")
    scene.reads(f"The record of {name} is made.")
    hand.unfold("Add a number of another hospital …")
    hand.write("Number", f"V-{name[-8:]}")
    hand.write("Who has given it", "Village clinic")
    hand.press("Keep the number")
    scene.reads("The number is kept.")
    hand.unfold("Edit the record …")
    hand.write("Phone", "+91 44 5550 0100")
    hand.press("Save the record")
    scene.reads("The record is saved.")
    hand.unfold("Send the confirmation link again …")
    hand.press("Send the link")
    scene.reads("The link is on its way.")
    token = scene.look(lambda: addresses.token_of(_record(name)))
    hand.open(f"/confirm-record/{token}")
    hand.write_day("Date of birth", BORN)
    hand.press("Confirm this address")
    scene.look(lambda: _confirmed(name))


def claim_with_a_slip(scene: Scene) -> None:
    """The administrator prints a slip; the first one is lost and withdrawn; the patient opens the record."""
    name = _patient(scene)
    hand = scene.hand
    _open(scene, name)
    _print_slip(scene)
    hand.follow("Back to the patient")
    hand.unfold("Withdraw the code …")
    hand.press("Withdraw the code")
    scene.reads("The code does not work any more.")
    _print_slip(scene)
    code = scene.page.locator("#slip code").inner_text()
    mrn = scene.look(lambda: _record(name).mrn)
    hand.open(f"/admin/patients/{scene.look(lambda: _record(name).id)}/invite")
    scene.reads("A slip is shown only once.")
    scene.page.context.clear_cookies()
    hand.open("/login")
    hand.follow("Open your record")
    hand.write("Record number (MRN)", mrn)
    hand.write_day("Date of birth", BORN)
    hand.write("Code", code)
    hand.write("E-mail address", f"{uuid.uuid4().hex[:10]}@csss.example")
    hand.write("Password", "purple lantern orbit")
    hand.press("Open my record")
    scene.reads("Your account is ready.")


def merge_and_separate_two_records(scene: Scene) -> None:
    name = _patient(scene)
    with scene.clinic() as clinic:
        other = _make(clinic.person("admin"), name)
    hand = scene.hand
    first = scene.look(lambda: _first(name, other))
    hand.open(f"/admin/patients/{first}")
    hand.write("MRN of the other record", other)
    hand.press("Compare the two records")
    hand.write("Reason", "Registered twice.")
    hand.press("Make one record of the two")
    scene.reads("The two records are one now.")
    hand.unfold("Undo this merge …")
    hand.write("Why they are two people", "Sisters.")
    hand.press("Make them two records again")
    scene.reads("They are two records again.")
    assert scene.look(lambda: len(merged.merges_of(db.session.get_one(Patient, first)))) == 1


def keep_the_data_of_a_patient_without_an_account(scene: Scene) -> None:
    _open(scene, _patient(scene))
    hand = scene.hand
    hand.unfold("Place a legal hold …")
    hand.write("Reason", "A lawsuit.", "#keeping")
    hand.press("Place the legal hold")
    hand.unfold("Lift the legal hold …")
    hand.write("Reason", "It is over.", "#legal-hold")
    hand.press("Lift the legal hold")
    scene.reads("Earlier legal holds")


def _open(scene: Scene, name: str) -> None:
    scene.hand.open(f"/admin/patients?q={name}")
    scene.hand.follow(name, "#patients")


def _print_slip(scene: Scene) -> None:
    scene.hand.write("Your current password", PASSWORD, "#account")
    scene.hand.press("Print a slip with a code")
    scene.reads("The code works once")


def _name() -> str:
    return f"Rani {uuid.uuid4().hex[:8].title()}"


def _patient(scene: Scene) -> str:
    """A patient without an account, before an administrator who has come in."""
    name = _name()
    with scene.clinic() as clinic:
        admin = clinic.person("admin")
        _make(admin, name)
        scene.come_in(admin)
    return name


def _make(admin: User, name: str) -> str:
    """The MRN of a new record."""
    typed = services.Typed(name=name, date_of_birth=BORN.isoformat(), sex="female")
    with transaction():
        return services.make(typed, another=True, by=admin).mrn


def _record(name: str) -> Patient:
    return db.session.scalars(select(Patient).where(Patient.name == name)).one()


def _first(name: str, other: str) -> uuid.UUID:
    return db.session.scalars(select(Patient.id).where(Patient.name == name, Patient.mrn != other)).one()


def _confirmed(name: str) -> None:
    assert _record(name).email_confirmed_at is not None
