"""An administrator sets the hospital's name, logo, address, telephone, letterhead and formulary."""

import io
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.database import db
from csss.hospital.models import HospitalVersion
from csss.prescriptions.line_warnings import formulary
from csss.reports import queries
from csss.reports.build import report_context
from csss.reports.render import render_pdf
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.storage.files import storage
from tests.factories import Clinic, picture
from tests.visitor import Visitor, soup, words

URL = "/admin/hospital"
OURS = {
    "name": "St Thomas Clinic",
    "address": "1 Mount Road\nChennai 600002",
    "telephone": "+91 44 5550 0199",
    "letterhead": "Department of Radiology",
    "seen": "0",
}
MEDICINES = "Paracetamol;N02BE01;tablet 500 mg;oral;;;4 g\n"


@pytest.fixture
def admin(clinic: Clinic) -> Visitor:
    """In a hospital whose environment says nothing of it."""
    env(clinic.app, hospital_name="Example Hospital", hospital_address="")
    return clinic.visitor(clinic.person("admin", name="Ada Min"))


def save(admin: Visitor, **more: Any) -> Any:
    return admin.post(URL, OURS | more)


def upload(content: bytes, name: str) -> tuple[io.BytesIO, str]:
    return io.BytesIO(content), name


def env(app: Flask, **values: Any) -> None:
    app.config["CSSS"] = replace(app.config["CSSS"], **values)


def test_pages_mail_and_reports_show_what_was_set(clinic: Clinic, admin: Visitor) -> None:
    assert save(admin).status_code == 303
    page = admin.page(URL)
    assert "St Thomas Clinic" in words(page.select_one(".masthead"))  # type: ignore[arg-type]
    assert "+91 44 5550 0199" in words(page.select_one(".footer"))  # type: ignore[arg-type]
    help_says = words(admin.post("/assistant", {"question": "telephone number of the hospital"}))
    assert "Telephone: +91 44 5550 0199." in help_says
    scan = clinic.scan(Status.PHARMACIST_COMPLETED)
    printed = report_context(scan, report_id="1", version=1).hospital
    assert (printed.name, printed.address) == ("St Thomas Clinic", ("1 Mount Road", "Chennai 600002"))
    assert (printed.phone, printed.letterhead) == ("+91 44 5550 0199", "Department of Radiology")
    clinic.run_jobs("send_mail")
    assert "St Thomas Clinic" in clinic.mail[-1]["Subject"]


def test_another_process_shows_it_without_a_restart(clinic: Clinic, admin: Visitor) -> None:
    assert "Example Hospital" in words(Visitor(clinic.app).get("/"))
    save(admin)
    assert "St Thomas Clinic" in words(Visitor(clinic.app).get("/"))


def test_a_report_that_was_made_does_not_change(clinic: Clinic, admin: Visitor) -> None:
    scan_id = clinic.scan(Status.REPORT_READY).id
    clinic.run_jobs("render_report")
    key = queries.versions(db.session.get_one(Scan, scan_id))[0].file_key
    before = storage().read(key)
    save(admin)
    clinic.run_jobs("render_report")
    assert storage().read(key) == before


def test_environment_variables_win_and_the_page_says_so(clinic: Clinic, admin: Visitor) -> None:
    save(admin)
    env(clinic.app, hospital_name="From Outside")
    page = admin.page(URL)
    assert "From Outside" in words(page.select_one(".masthead"))  # type: ignore[arg-type]
    assert "The environment variable CSSS_HOSPITAL_NAME sets this." in words(page)
    assert page.select_one("input[name=name]") is None
    assert page.select_one("textarea[name=address]") is not None


def test_the_logo_is_written_anew_and_stands_on_pages_and_reports(clinic: Clinic, admin: Visitor) -> None:
    sent = picture(300, 150) + b"<script>hidden</script>"
    assert save(admin, logo=upload(picture(300, 150), "logo.png")).status_code == 303
    image = admin.page(URL).select_one(".masthead__logo")
    assert image is not None
    shown = Visitor(clinic.app).get(str(image["src"]))
    assert shown.mimetype == "image/jpeg" and "immutable" in shown.headers["Cache-Control"]
    assert Image.open(io.BytesIO(shown.data)).size == (112, 56)
    assert len(shown.data) <= 3_000 and b"hidden" in sent
    scan = clinic.scan(Status.PHARMACIST_COMPLETED)
    made = report_context(scan, report_id="1", version=1)
    assert made.hospital.logo is not None
    with_logo = render_pdf(made, clinic.app.jinja_env)
    without = render_pdf(replace(made, hospital=replace(made.hospital, logo=None)), clinic.app.jinja_env)
    assert with_logo.count(b"/Subtype /Image") == without.count(b"/Subtype /Image") + 1
    save(admin, seen="1", without_logo="y")
    assert admin.page(URL).select_one(".masthead__logo") is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"GIF89a", "This is not a JPEG or PNG picture"),
        (picture(300, 150)[:900], "cannot be read to its end"),
        (picture(30, 30), "too small: it needs at least 64 pixels"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 1_000_001, "at most 1 MB can be taken"),
    ],
    ids=["gif", "cut off", "small", "large"],
)
def test_another_file_is_refused_as_logo(admin: Visitor, content: bytes, sentence: str) -> None:
    answer = save(admin, logo=upload(content, "logo.png"))
    assert answer.status_code == 422
    assert sentence in words(soup(answer).select_one("#logo-error"))  # type: ignore[arg-type]
    assert db.session.scalars(select(HospitalVersion)).first() is None


def test_the_formulary_is_used_at_once_and_can_be_taken_back(admin: Visitor) -> None:
    ours = len(formulary().medicines)
    assert save(admin, formulary=upload(MEDICINES.encode(), "hospital.csv")).status_code == 303
    assert [each.name for each in formulary().medicines] == ["Paracetamol"]
    assert "hospital.csv, with 1 medicine." in words(admin.page(URL))
    save(admin, seen="1", without_formulary="y")
    assert len(formulary().medicines) == ours


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"Paracetamol;N02BE01\n", "Line 1:"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b"# nothing\n", "no medicine in the file"),
        (b"x" * 500_001, "at most 500 kB"),
        (b'Paracetamol;N02BE01;"' + b"x" * 200_000 + b'";;;\n', "cannot be read"),
        (b"\xe5\x8c\xbb;N02BE01;;;;\n", "needs Latin letters"),
        (b'"Para\ncetamol";N02BE01;;;;\n', "Line 1:"),
        (b"".join(b"%s;N02BE01;;;;\n" % str(n).encode() for n in range(5_001)), "At most 5,000 medicines"),
    ],
    ids=["columns", "bytes", "empty", "large", "cell", "no Latin name", "two lines", "many"],
)
def test_a_formulary_that_cannot_be_used_is_refused(admin: Visitor, content: bytes, sentence: str) -> None:
    answer = save(admin, formulary=upload(content, "hospital.csv"))
    assert answer.status_code == 422
    assert sentence.lower() in words(soup(answer).select_one("#formulary-error")).lower()  # type: ignore[arg-type]


def test_a_formulary_that_a_new_release_cannot_read_is_named_and_not_used(
    admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = len(formulary().medicines)
    monkeypatch.setattr("csss.web.admin.hospital.routes.check_formulary", lambda content: content.decode())
    save(admin, formulary=upload(b"of another release", "hospital.csv"))
    assert len(formulary().medicines) == ours
    assert "The file of medicines cannot be used" in words(admin.page(URL))


def test_a_stale_form_is_told_what_has_happened(admin: Visitor) -> None:
    save(admin)
    answer = save(admin, name="Another Name")
    assert answer.status_code == 409
    assert "Ada Min has changed these settings while your form was open: Name, Address" in words(answer)
    assert db.session.scalars(select(HospitalVersion)).one().name == "St Thomas Clinic"


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("name", "x" * 121, "At most 120 characters"),
        ("address", "1\n" * 7, "At most 6 lines"),
        ("telephone", "call me", "A phone number has"),
        ("letterhead", "x" * 161, "At most 160 characters"),
        ("name", "北京 Clinic", "The report cannot print “北京”"),
    ],
)
def test_bad_input_is_refused_beside_its_field(admin: Visitor, field: str, typed: str, sentence: str) -> None:
    answer = save(admin, **{field: typed})
    assert answer.status_code == 422
    assert sentence in words(soup(answer).select_one(f"#{field}-error"))  # type: ignore[arg-type]


def test_a_change_is_in_the_audit_log_and_on_the_page(admin: Visitor) -> None:
    save(admin)
    save(admin, seen="1", telephone="+91 44 5550 0100")
    events = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "hospital.changed")).all()
    assert [each.detail["fields"] for each in events] == [
        ["name", "address", "telephone", "letterhead"],
        ["telephone"],
    ]
    assert "Telephone Ada Min" in words(admin.page(URL))
    assert save(admin, seen="2", telephone="+91 44 5550 0100").status_code == 422
