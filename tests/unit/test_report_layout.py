"""How a report reads on paper: for a radiologist, for the patient, and without an empty half of a page."""

import io
import shutil
import subprocess
import uuid

import pikepdf
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from benchmarks.report import plain_environment
from csss.reports.document import report_html
from csss.reports.render import render_pdf
from csss.reports.services import report_number
from tests.pdfa import pdfa_problems
from tests.report_cases import CASES, addendum, child, disagreement, heart, no_prescription, normal, usual

ENV = plain_environment()
needs_poppler = pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="poppler-utils is not installed")
PAGES = dict.fromkeys(CASES, 2) | {"uncertain": 3}


def words(context, selector: str = "article") -> str:
    page = BeautifulSoup(report_html(context, ENV), "html.parser")
    return " ".join(" ".join(each.get_text(" ") for each in page.select(selector)).split())


def filled(pdf: bytes) -> list[float]:
    """How far down each page something is printed, without its foot: 0 to 1."""
    done = subprocess.run(["pdftoppm", "-r", "20", "-gray", "-"], input=pdf, capture_output=True, check=True)
    found, rest = [], done.stdout
    while rest:
        head = rest.split(b"\n", 3)
        width, height = map(int, head[1].split())
        length = sum(len(each) + 1 for each in head[:3]) + width * height
        page = Image.open(io.BytesIO(rest[:length]))
        rest = rest[length:]
        ink = (
            page.crop((0, 0, width, int(height * 0.94)))
            .point(lambda grey: 255 if grey < 200 else 0)
            .getbbox()
        )
        found.append(ink[3] / height if ink else 0.0)
    return found


@needs_poppler
@pytest.mark.parametrize("name", CASES)
def test_it_has_no_half_empty_page_and_stays_an_archive_file(name):
    pdf = render_pdf(CASES[name](), ENV)
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert len(document.pages) == PAGES[name]
    assert min(filled(pdf)) > 0.5, filled(pdf)
    assert pdfa_problems(pdf) == []
    assert len(pdf) <= 400_000


@pytest.mark.parametrize("name", CASES)
def test_the_conclusion_comes_first_and_what_the_classifier_said_after_the_signatures(name):
    context = CASES[name]()
    text = words(context)
    conclusion = context.review.diagnosis or context.review.impression
    places = [
        text.index(each)
        for each in (
            conclusion,
            context.review.findings.split("\n")[0][:40],
            "Signed",
            "What the classifier said",
        )
    ]
    assert places == sorted(places)
    assert context.review.diagnosis or "No diagnosis" not in text


def test_the_risk_level_is_the_classifiers_and_sends_to_the_doctor():
    for context, sentence in (
        (disagreement(), "Classifier’s risk level: high (pattern of COVID-19), see the doctor’s diagnosis."),
        (normal(), "Classifier’s risk level: low (pattern of a normal scan), see the doctor’s diagnosis."),
        (no_prescription(), "Classifier’s risk level: indeterminate, see the doctor’s diagnosis."),
    ):
        text = words(context, ".classifier")
        assert sentence in text and text.count("isk level") == 1
        assert "isk level" not in words(context).replace(text, "")
    assert "The doctor disagrees with the classifier’s reading: the doctor’s diagnosis counts." in words(
        disagreement(), ".classifier"
    )


def test_the_head_says_whose_report_it_is_and_how_to_name_it():
    text = words(usual(), ".report__header")
    for each in ("St. Thomas Hospital", "Department of Radiology", "14 Mount Road", "+91 44 2345 6789"):
        assert each in text
    assert "Report no. 7K3Q-9F2M" in text and usual().report_id in text


def test_technique_comparison_and_allergies_stand_with_the_examination():
    text = words(usual(), ".report__people")
    assert "Allergies Penicillin (rash)" in text
    assert "Technique Sent as a picture of 1024 × 1024 pixels" in text
    assert "Comparison Available to the doctor: 3 May 2026; 12 January 2025." in text
    assert "Allergies Not stated" in words(child(), ".report__people")


def test_who_signed_is_known_by_specialty_and_register():
    text = words(usual(), ".sign-off")
    assert "Doctor, radiologist Registration no. TNMC 84213" in text
    assert "Pharmacist, clinical pharmacist Registration no. PCI 20391" in text
    assert text.count("Registration no.") == 2, "nothing stands beside who has none"
    assert "20 November 2026, 15:45 IST" in text


def test_the_patient_is_told_in_plain_words_what_to_do_and_whom_to_call():
    text = words(usual(), ".plain")
    assert "For you, Jane Example" in text and "“Right lower lobe pneumonia”" in text
    assert "Amoxicillin : 500 mg, by mouth, three times a day, for 7 days" in text
    assert (
        "Call St. Thomas Hospital: +91 44 2345 6789. Your patient number (MRN) is CSSS-2026-004217." in text
    )
    assert "call the emergency number at once" in text
    assert "isk level" not in text and "%" not in text and "COVID" not in words(disagreement(), ".plain")
    assert "No medicine was prescribed because of this scan." in words(normal(), ".plain")
    assert "“Dilated cardiomyopathy is likely.”" in words(heart(), ".plain")
    assert "Something was added later." in words(addendum(), ".plain")


def test_the_words_about_a_small_child_are_for_its_family():
    text = words(child(), ".plain")
    assert "For the family of Baby of Anitha Raman" in text and "For you" not in text


def test_a_number_is_short_the_same_for_all_versions_and_has_no_letters_that_are_mistaken():
    ids = [uuid.UUID(int=number) for number in range(2000)]
    numbers = {report_number(each) for each in ids}
    assert len(numbers) == len(ids)
    assert all(len(each) == 9 and not set(each) & set("ILOU") for each in numbers)
    assert report_number(ids[5]) == report_number(ids[5])
