"""What goes back into the PACS: other people's programs find nothing wrong with it, and Tamil is Tamil."""

import io
import subprocess
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pydicom
import pytest

from csss.dicom.facts import DicomName, NameParts
from csss.dicom.outgoing.common import PatientInReport, ReportObject, SourceImage, StudyInReport, person
from csss.dicom.outgoing.encapsulated_pdf import encapsulated_pdf
from csss.dicom.outgoing.secondary_capture import secondary_capture
from csss.dicom.outgoing.text_report import ClassifierAnswer, ReadingInWords, text_report
from tests.dicom.files import program

MEERA = DicomName(NameParts(family="கிருஷ்ணன்", given="மீரா"))
FINDINGS = "நுரையீரல் தெளிவாக உள்ளது.\nNo effusion; C:\\ is no path, <b> is no markup."
ABOUT = ReportObject(
    report_id="R-2026-000017",
    version=1,
    at=datetime(2026, 11, 30, 17, 45, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    patient=PatientInReport(MEERA, "MRN-4711", "CSSS", date(1980, 1, 2), "F"),
    study=StudyInReport("1.2.826.0.1.99.1", "ACC-1", "S-1", date(2026, 11, 29), "10:11:12", "மார்பு", MEERA),
    hospital="மருத்துவமனை, சென்னை",
    software="0.1.0",
    sources=(SourceImage("1.2.840.10008.5.1.4.1.1.1", "1.2.826.0.1.99.3", "1.2.826.0.1.99.2"),),
)
BARE = ReportObject(
    "R-1", 1, ABOUT.at, PatientInReport(DicomName(), ""), StudyInReport("1.2.826.0.1.99.9"), "", "0.1.0"
)
READING = ReadingInWords(
    FINDINGS, "இயல்பு", "Normal", DicomName(NameParts("Rao", "Anand", prefix="Dr.")), "ta",
    ClassifierAnswer("Normal, 93 %. This is no diagnosis.", "csss-3"),
)  # fmt: skip
PDF = b"%PDF-1.7\n%%EOF"
COLOURS = np.arange(9 * 7 * 3, dtype=np.uint8).reshape(9, 7, 3)


def objects(about: ReportObject) -> dict[str, bytes]:
    return {
        "PDF": encapsulated_pdf(about, PDF),
        "capture in colour": secondary_capture(about, COLOURS, what="Heat map of the classifier"),
        "capture in grey": secondary_capture(about, COLOURS[:, :, 0], what="Heat map"),
        "report": text_report(about, READING),
        "report without a classifier": text_report(about, replace(READING, classifier=None, impression="")),
    }


ABOUTS = {"first": ABOUT, "second": replace(ABOUT, version=2), "little known": BARE}


@pytest.mark.parametrize("which", ABOUTS)
@pytest.mark.parametrize("name", objects(BARE))
def test_dciodvfy_finds_no_error(name: str, which: str, tmp_path: Path) -> None:
    target = tmp_path / "object.dcm"
    target.write_bytes(objects(ABOUTS[which])[name])
    said = subprocess.run(
        [program("dciodvfy", "dicom3tools"), str(target)], capture_output=True, text=True, check=False
    )
    assert [line for line in said.stderr.splitlines() if line.startswith("Error")] == []
    assert said.stderr.strip() or said.stdout.strip(), "it has said at least what it looked at"


def test_dciodvfy_would_see_an_error(tmp_path: Path) -> None:
    data = pydicom.dcmread(io.BytesIO(objects(ABOUT)["report"]))
    del data.CompletionFlag
    data.save_as(tmp_path / "object.dcm")
    command = [program("dciodvfy", "dicom3tools"), str(tmp_path / "object.dcm")]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Error" in said.stderr and "CompletionFlag" in said.stderr


def test_dsrdump_shows_the_report_with_its_tamil(tmp_path: Path) -> None:
    target = tmp_path / "report.dcm"
    target.write_bytes(text_report(ABOUT, READING))
    done = subprocess.run(
        [program("dsrdump", "dcmtk"), "+Pl", str(target)], capture_output=True, text=True, check=True
    )
    for words in ("நுரையீரல் தெளிவாக உள்ளது.", "இயல்பு", "கிருஷ்ணன்^மீரா", "மருத்துவமனை, சென்னை", "Rao^Anand^^Dr."):
        assert words in done.stdout
    assert '"Answer of the classifier, no diagnosis")="Normal, 93 %. This is no diagnosis."' in done.stdout
    assert "?" not in done.stdout.replace("?xml", "")


def test_the_classifiers_answer_stands_apart_with_its_device() -> None:
    data = pydicom.dcmread(io.BytesIO(text_report(ABOUT, READING)))
    section = next(
        item
        for item in data.ContentSequence
        if item.ValueType == "CONTAINER" and item.ConceptNameCodeSequence[0].CodeMeaning == "Classifier"
    )
    observer = section.ContentSequence[0]
    assert (
        observer.RelationshipType == "HAS OBS CONTEXT"
        and observer.ConceptCodeSequence[0].CodeMeaning == "Device"
    )
    hidden = text_report(ABOUT, replace(READING, classifier=None))
    assert b"Classifier" not in hidden and b"classifier" not in hidden


def test_a_repetition_is_the_same_object_and_a_new_version_names_the_old_one() -> None:
    for name, content in objects(ABOUT).items():
        assert content == objects(ABOUT)[name]
    first = pydicom.dcmread(io.BytesIO(text_report(ABOUT, READING)))
    second = pydicom.dcmread(io.BytesIO(text_report(replace(ABOUT, version=2), READING)))
    assert (
        first.SOPInstanceUID != second.SOPInstanceUID and first.SeriesInstanceUID == second.SeriesInstanceUID
    )
    series = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    uids = {
        pydicom.dcmread(io.BytesIO(each)).SOPInstanceUID
        for name, each in objects(ABOUT).items()
        if " " not in name
    }
    assert len(uids) == 2
    other = text_report(replace(ABOUT, report_id="R-2"), READING)
    assert pydicom.dcmread(io.BytesIO(other)).SOPInstanceUID != first.SOPInstanceUID


def test_the_pdf_comes_out_byte_for_byte() -> None:
    data = pydicom.dcmread(io.BytesIO(encapsulated_pdf(ABOUT, PDF)))
    assert data.EncapsulatedDocument[: data.EncapsulatedDocumentLength] == PDF
    assert (data.Modality, data.MIMETypeOfEncapsulatedDocument) == ("DOC", "application/pdf")
    assert data.SpecificCharacterSet == "ISO_IR 192" and data.StudyInstanceUID == ABOUT.study.study_uid
    assert data.TimezoneOffsetFromUTC == "+0530"


def test_the_capture_shows_its_pixels() -> None:
    data = pydicom.dcmread(io.BytesIO(secondary_capture(ABOUT, COLOURS, what="Heat map")))
    assert np.array_equal(data.pixel_array, COLOURS)
    assert data.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.826.0.1.99.3"


def test_a_sign_with_a_meaning_in_dicom_cannot_change_an_identifier() -> None:
    patient = PatientInReport(DicomName(NameParts("A=B^C", "D\\E\n")), "MRN\\1")
    data = pydicom.dcmread(io.BytesIO(encapsulated_pdf(replace(ABOUT, patient=patient), PDF)))
    assert str(data.PatientName) == "A B C^D/E" and data.PatientID == "MRN/1"


def test_half_an_identifier_is_never_sent() -> None:
    study = replace(ABOUT.study, accession_number="A" * 17)
    with pytest.raises(ValueError, match="more than 16 characters"):
        encapsulated_pdf(replace(ABOUT, study=study), PDF)


def test_what_is_no_pdf_or_no_picture_is_not_wrapped() -> None:
    with pytest.raises(ValueError, match="no PDF"):
        encapsulated_pdf(ABOUT, b"<html>")
    with pytest.raises(ValueError, match="8 bits"):
        secondary_capture(ABOUT, np.zeros((4, 4), np.uint16), what="x")  # type: ignore[arg-type]


def test_a_name_in_several_writings_keeps_them() -> None:
    name = DicomName(NameParts("Yamada", "Tarou"), NameParts("山田", "太郎"), NameParts("やまだ", "たろう"))
    assert person(name) == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert person(DicomName()) == ""
