"""What people type stays text wherever it comes out again: pages, PDF, mail, tables."""

import csv
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from urllib.parse import urlsplit

import pikepdf
import pytest
from bs4 import BeautifulSoup
from flask import Flask
from hypothesis import HealthCheck, example, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from benchmarks.report import example_context, plain_environment
from csss import report_fonts
from csss.database import db, transaction
from csss.notices import texts
from csss.notices.channels import email
from csss.notices.models import MailKind, MailMessage
from csss.people.models import User
from csss.reports import services as reports
from csss.reports.context import PrintedAddendum
from csss.reports.render import render_pdf
from csss.scans.states import HoldFor, Status
from csss.web.exports import csv_response
from tests.factories import Clinic
from tests.odd_values import LINES, LONG, MARKUP, TEXTS
from tests.pdfa import pdfa_problems
from tests.visitor import Visitor, soup

# However long they are, they come out the same: without the longest, a PDF takes no minutes.
TYPED = [text for text in TEXTS if text not in LONG]
DRAWN = st.sampled_from(TYPED) | st.text(max_size=60)
FEW = trying(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


# Pages


def pages(visitor: Visitor, start: str, most: int = 60) -> Iterator[tuple[str, BeautifulSoup]]:
    """Every page that can be reached from this one by links."""
    waiting, seen = [start], {start}
    while waiting and len(seen) <= most:
        url = waiting.pop(0)
        answer = visitor.get(url, follow_redirects=True)
        if answer.mimetype != "text/html":
            continue
        page = soup(answer)
        yield url, page
        for link in page("a", href=True):
            target = urlsplit(str(link["href"]))
            found = target.path + (f"?{target.query}" if target.query else "")
            if not target.netloc and found.startswith("/") and found not in seen:
                seen.add(found)
                waiting.append(found)


@pytest.fixture
def people(clinic: Clinic) -> dict[str, User]:
    """Everybody is called so, and writes so."""
    found = {
        role: clinic.person(role, name=MARKUP[:120]) for role in ("patient", "doctor", "pharmacist", "admin")
    }
    by = {"patient": found["patient"], "doctor": found["doctor"]}
    staff = {**by, "pharmacist": found["pharmacist"], "admin": found["admin"]}
    said = {"findings": MARKUP, "indication": MARKUP}
    clinic.scan(Status.PENDING_AI, patient=found["patient"], indication=MARKUP)
    clinic.scan(Status.AI_ANALYZED, **by, indication=MARKUP)
    held = clinic.scan(Status.PHARMACIST_COMPLETED, **staff, **said).id
    clinic.scan(Status.DOCTOR_VERIFIED, **by, **said)
    done = clinic.scan(Status.REPORT_READY, **staff, **said).id
    with transaction():
        reports.hold(held, to=HoldFor.DOCTOR, note=MARKUP, by=found["admin"])
    clinic.run_jobs("render_report")
    with transaction():
        reports.add_addendum(done, note=MARKUP, by=found["doctor"])
    return found


@pytest.mark.parametrize("role", ["patient", "doctor", "pharmacist", "admin"])
def test_no_page_makes_markup_of_it(clinic: Clinic, people: dict[str, User], role: str) -> None:
    shown = 0
    for url, page in pages(clinic.visitor(people[role]), f"/{role}/"):
        assert page.select("[data-evil]") == [], url
        for tag in page.find_all(True):
            assert not [name for name in tag.attrs if name.startswith("on")], f"{url}: {tag}"
            assert not str(tag.get("href", "")).strip().lower().startswith(("javascript:", "data:")), url
        assert not [script for script in page("script") if script.get_text(strip=True)], url
        assert "7006652" not in page.get_text(), f"{url} has worked it out"
        shown += "<img data-evil src=x onerror=alert(1)>" in page.get_text()
    assert shown >= 2, "as text it is there"


# PDF


def test_the_pdf_makes_nothing_of_it() -> None:
    everything = " ".join(text for text in TYPED if "\0" not in text and not report_fonts.unprintable(text))
    assert len(everything) > 300, "most of it can be printed"
    context = example_context()
    context = replace(
        context,
        hospital=replace(context.hospital, name=everything, address=(everything,)),
        patient=replace(
            context.patient, name=everything, address=everything, phone=everything, email=everything
        ),
        scan=replace(context.scan, indication=everything),
        review=replace(context.review, findings=everything, impression=everything, diagnosis=everything),
        addenda=(
            PrintedAddendum(note=everything, author=everything, role="Doctor", written_at=context.created_at),
        ),
    )
    made = render_pdf(context, plain_environment())
    assert pdfa_problems(made) == []
    with pikepdf.open(io.BytesIO(made)) as document:
        for item in document.objects:
            if isinstance(item, pikepdf.Dictionary | pikepdf.Stream):
                assert not {"/JS", "/URI", "/Launch", "/EmbeddedFile", "/RichMedia"} & set(item.keys())
                assert str(item.get("/S", "")) not in {
                    "/URI",
                    "/JavaScript",
                    "/Launch",
                    "/GoToR",
                    "/SubmitForm",
                }
        assert document.open_metadata()["dc:title"], "well-formed, and still there"
        titles = [str(entry.title) for entry in document.open_outline().root]
    assert not [title for title in titles if "evil" in title], "bookmarks are our own headings"


# Mail


@FEW
@given(name=DRAWN, hospital=DRAWN)
@example(name=LINES[0], hospital=LINES[0])
def test_no_name_writes_a_header_of_a_mail(app: Flask, clinic: Clinic, name: str, hospital: str) -> None:
    app.config["CSSS"] = replace(app.config["CSSS"], hospital_name=hospital)
    user = User(email="patient@csss.example", name=name)
    for kind in (MailKind.ACCOUNT_APPROVED, MailKind.CODE):
        message = MailMessage(kind=kind, message_id="<1@csss.example>", maybe_repeated=False)
        with db.session.no_autoflush:
            message.user = user
            composed = email.compose(message, texts.Draft("Your account", "account_approved", {}))
        db.session.expunge_all()
        assert not composed.has_bad_headers()
        read = message_from_bytes(composed.as_bytes(), policy=default)
        assert {key.lower() for key, _ in read.items()} <= {
            *("subject", "from", "to", "date", "message-id", "mime-version", "content-type"),
            *("content-transfer-encoding", "auto-submitted"),
        }
        assert read["To"] == "patient@csss.example" and read.get_content_type() == "text/plain"
        assert len(read.get_all("Subject")) == 1


@pytest.mark.parametrize("email", ["a@csss.example\r\nBcc: b@csss.example", "a@csss.example, b@csss.example"])
def test_no_address_is_two(nobody: Visitor, email: str) -> None:
    fields = {"name": "A", "email": email, "password": "correct horse battery", "role": "doctor"}
    assert nobody.post("/register", fields).status_code == 422
    assert db.session.query(User).count() == 0


# Tables


def bare(cell: str) -> str:
    """Without what nobody sees."""
    return "".join(
        letter for letter in cell if unicodedata.category(letter) not in {"Cc", "Cf", "Zs", "Zl", "Zp"}
    )


@FEW
@given(cells=st.lists(DRAWN, min_size=1, max_size=4))
@example(cells=TYPED)
def test_no_cell_of_a_table_is_a_formula_and_no_text_is_lost(app: Flask, cells: list[str]) -> None:
    with app.test_request_context():
        answer = csv_response("table", ["head"] * len(cells), [cells, cells])
        text = answer.get_data().decode().removeprefix("\ufeff")
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert len(read) == 3, "a line break in a cell begins no row"
    for row in read[1:]:
        assert [
            cell.removeprefix("'") if told != cell else cell for cell, told in zip(row, cells, strict=True)
        ] == cells
        for cell in row:
            assert not bare(cell).startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")), repr(cell)
            assert not cell.startswith(("\t", "\r", "\n"))
