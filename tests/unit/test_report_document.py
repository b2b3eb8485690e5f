"""What the report's PDF carries, and that other people's text stays text."""

import io
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import pikepdf
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from benchmarks.report import drawn_pictures, example_context, plain_environment
from csss.reports.context import NoPrediction, PrescriptionText, PrintedAddendum
from csss.reports.document import ReportRenderError, report_html
from csss.reports.render import printable_jpeg, render_pdf
from tests.pdfa import pdfa_problems

DISCLAIMER = (
    "This report was generated with AI assistance and has been reviewed and approved by a qualified medical "
    "professional before release."
)
ENV = plain_environment()
needs_poppler = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")


@pytest.fixture(scope="module")
def context():
    return example_context()


@pytest.fixture(scope="module")
def pdf(context):
    return render_pdf(context, ENV)


def text_of(pdf: bytes) -> str:
    """The text of all pages, every run of white space as one blank."""
    done = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


def page(context, **options):
    return BeautifulSoup(report_html(context, ENV, **options), "html.parser")


def words(soup) -> str:
    return " ".join(soup.get_text(" ").split())


@needs_poppler
def test_the_pdf_says_everything_that_the_design_asks_for(pdf, context):
    text = text_of(pdf)
    assert DISCLAIMER in text
    for probability in context.prediction.probabilities:
        assert probability.human in text
        assert f"{probability.value * 100:.1f} %" in text
    for signature in context.signatures:
        assert signature.name in text
        assert signature.role in text
        assert context.when(signature.signed_at) in text
    for expected in (
        context.hospital.name,
        context.report_id,
        context.patient.name,
        context.patient.mrn,
        "2 March 1971",
        "55 years at the scan, female",
        context.patient.phone,
        context.scan.indication,
        context.review.diagnosis,
        context.review.impression,
        "The doctor agrees with the classifier’s reading.",
        "Amoxicillin",
        "Threshold 75.0 %",
        "Classifier’s risk level: high (pattern of Lung opacity), see the doctor’s diagnosis.",
        "Model version example-1",
        "Page 1 of 2",
        "Page 2 of 2",
    ):
        assert expected in text


def test_the_disclaimer_stands_word_for_word_and_once(context):
    assert words(page(context)).count(DISCLAIMER) == 1


def test_the_doctors_diagnosis_stands_above_the_classifiers_risk_level(context):
    text = words(page(context))
    assert text.index(context.review.diagnosis) < text.index("The heart is of normal size.")
    assert text.index(context.review.diagnosis) < text.index("risk level")


def test_scan_and_heat_map_are_embedded_as_pictures_of_at_most_800_pixels(pdf):
    with pikepdf.open(io.BytesIO(pdf)) as document:
        sizes = [(int(i.Width), int(i.Height)) for i in document.objects if is_picture(i)]
        colours = {str(i.ColorSpace) for i in document.objects if is_picture(i)}
    assert sizes == [(800, 800), (800, 800)]
    assert colours == {"/DeviceGray", "/DeviceRGB"}


def is_picture(item) -> bool:
    return isinstance(item, pikepdf.Stream) and item.get("/Subtype") == "/Image"


def test_the_report_stays_below_300_kilobytes_even_with_the_least_compressible_pictures(context, pdf):
    assert len(pdf) <= 300_000
    noise = Image.effect_noise((1500, 1800), 120)
    out = io.BytesIO()
    Image.merge("RGB", [noise, noise.rotate(90, expand=True).resize(noise.size), noise]).save(out, "PNG")
    scan = replace(context.scan, image=out.getvalue())
    worst = replace(context, scan=scan, prediction=replace(context.prediction, heatmap=out.getvalue()))
    assert len(render_pdf(worst, ENV)) <= 300_000


def test_the_same_context_gives_the_same_bytes(context, pdf):
    assert render_pdf(context, ENV) == pdf


@needs_poppler
def test_hostile_notes_come_out_as_text_on_as_many_pages_as_they_need(context):
    sentence = "<script>alert(1)</script> {{7*7}} {% raw %} <img src='file:///etc/passwd'> &amp; <b>x</b> "
    notes = (sentence * 300)[: 20_000 - len(" The last word: omega.")] + " The last word: omega."
    pdf = render_pdf(replace(context, review=replace(context.review, findings=notes)), ENV)
    text = text_of(pdf)
    assert text.count("<script>alert(1)</script>") >= 150
    assert text.count("{{7*7}}") >= 150
    assert "&amp;" in text
    assert "49" not in text.replace(context.report_id, "")
    assert "The last word: omega." in text
    assert DISCLAIMER in text
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert len(document.pages) >= 5
    assert pdfa_problems(pdf) == []


@needs_poppler
def test_a_word_longer_than_the_line_is_broken_and_loses_nothing(context):
    word = "Pneumonoultramicroscopic" * 60
    review = replace(context.review, findings=word, diagnosis=word[:300])
    text = text_of(render_pdf(replace(context, review=review), ENV))
    assert word in text.replace(" ", "")


@needs_poppler
def test_control_characters_line_separators_and_emoji_selectors_are_left_out(context):
    review = replace(
        context.review,
        findings="Ελληνικά, Кириллица, ő, ≥ 3 µm. \x00\x07\ud800 one\u2028two ☑\ufe0f",
    )
    text = text_of(render_pdf(replace(context, review=review), ENV))
    assert "Ελληνικά, Кириллица, ő, ≥ 3 µm." in text
    assert "one two ☑" in text


def test_direction_overrides_cannot_make_a_note_read_as_something_else(context):
    review = replace(context.review, findings="dose \u202e05\u202c mg")
    assert "dose 05 mg" in words(page(replace(context, review=review)))


def test_an_uncertain_prediction_is_shown_as_uncertain_with_its_reason(context):
    prediction = replace(
        context.prediction, confidence=0.41, uncertain=True, uncertain_reason="The confidence is too low."
    )
    text = words(page(replace(context, prediction=prediction)))
    assert "Label Uncertain" in text
    assert "risk level: indeterminate, see the doctor’s diagnosis." in text
    assert "The confidence is too low." in text


def test_a_corrected_kind_and_what_it_means_for_the_answer_are_in_the_report(context):
    scan = replace(context.scan, kind="Cardiac MRI", sent_as="Chest X-ray")
    prediction = replace(context.prediction, uncertain=True, about_kind="The answer does not count.")
    text = words(page(replace(context, scan=scan, prediction=prediction)))
    assert "Cardiac MRI report" in text and "Examination Cardiac MRI (sent as Chest X-ray)" in text
    assert "The answer does not count." in text


def test_a_class_without_a_finding_is_named_and_explained_and_its_risk_is_indeterminate(context):
    name = "Chest X-ray, no listed disease recognised"
    prediction = replace(
        context.prediction, label="NIH_MERGED", human_label=name, explanation="With or without a finding."
    )
    text = words(page(replace(context, prediction=prediction)))
    assert f"Label {name}" in text and "risk level: indeterminate, see the doctor’s diagnosis." in text
    assert "With or without a finding." in text


def test_a_scan_read_without_the_classifier_says_why_and_shows_no_heat_map(context):
    soup = page(replace(context, prediction=NoPrediction(reason="The analysis failed twice.")))
    text = words(soup)
    assert (
        "Label Not available Reason The analysis failed twice. Classifier’s risk level: indeterminate" in text
    )
    assert "There is no heat map for this scan." in text
    assert len(soup.select("img")) == 1
    assert not soup.select("svg")


def test_no_medicine_is_stated_and_not_left_blank(context):
    none = replace(context.prescription, items=(), none_needed=True, notes="")
    assert "None needed." in words(page(replace(context, prescription=none)))


def test_a_correction_stands_beside_what_it_corrects_and_an_addendum_is_announced_at_the_top(context):
    old = replace(context.review, diagnosis="Left lower lobe pneumonia")
    withdrawn = PrescriptionText(
        version=1, author="Daniel Okafor", written_at=old.written_at, none_needed=True
    )
    addendum = PrintedAddendum(
        note="There is no effusion.",
        author="Dr Maria Fernandes",
        role="Doctor",
        written_at=datetime(2026, 11, 23, tzinfo=UTC),
    )
    corrected = replace(
        context,
        version=2,
        review=replace(context.review, version=2),
        earlier_reviews=(old,),
        earlier_prescriptions=(withdrawn,),
        addenda=(addendum,),
    )
    text = words(page(corrected))
    assert text.index(context.review.diagnosis) < text.index("Left lower lobe pneumonia")
    assert "Doctor’s reading, version 1" in text
    assert "Prescription, version 1" in text
    assert "version 2, replacing version 1" in text
    assert text.index("This report has 1 addendum") < text.index("There is no effusion.")
    assert pdfa_problems(render_pdf(corrected, ENV)) == []


def test_a_draft_is_marked_on_every_page_and_a_released_report_is_not(context):
    assert "DRAFT" not in words(page(context))
    assert "DRAFT – not released" in words(page(replace(context, draft=True)))
    assert "Copy" in words(page(context, watermark="Copy"))


def test_the_preview_is_one_element_with_the_pages_own_pictures(context):
    soup = page(context, whole=False, scan_src="/scans/1/image", heatmap_src="/scans/1/heatmap")
    roots = [child for child in soup.children if child.name]
    assert [root.get("id") for root in roots] == ["report"]
    assert [img["src"] for img in soup.select("img")] == ["/scans/1/image", "/scans/1/heatmap"]
    assert not soup.select("[style], style, script")


def test_every_bar_has_a_name_a_number_and_the_threshold(context):
    rows = page(context).select(".probabilities__table tbody tr")
    assert [row.th.get_text() for row in rows] == [p.human for p in context.prediction.probabilities]
    assert [row.select("td")[-1].get_text() for row in rows][:2] == ["3.1 %", "91.2 %"]
    assert [row.svg["aria-label"] for row in rows][:2] == [
        "Below the threshold",
        "At or above the threshold",
    ]
    assert all(row.svg["role"] == "img" for row in rows)
    assert {float(row.select_one(".probabilities__threshold")["x"]) for row in rows} == {149.6}


def test_a_picture_that_cannot_be_read_stops_the_report(context):
    with pytest.raises(ReportRenderError, match="cannot be read"):
        render_pdf(replace(context, scan=replace(context.scan, image=b"not a picture")), ENV)
    with pytest.raises(ReportRenderError, match="cannot be read"):
        printable_jpeg(drawn_pictures(256)[0][:3000])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_pictures_of_every_kind_become_small_jpegs_without_metadata(mode):
    image = Image.linear_gradient("L").resize((1200, 900))
    image = image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
    out = io.BytesIO()
    image.save(out, "TIFF")
    with Image.open(io.BytesIO(printable_jpeg(out.getvalue()))) as made:
        assert (made.format, made.size) == ("JPEG", (800, 600))
        assert made.mode in {"L", "RGB"}
        assert not made.getexif()
