"""A file for teaching or for a study says nothing of who the patient is (PS3.15, Basic Profile), and fits its siblings."""

import csv
import io
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from csss.dicom import reading
from csss.dicom.deidentify import action_for
from csss.dicom.problems import Problem
from csss.dicom.pseudonyms import Rules, days_back, mapped_uid
from csss.dicom.reading import RefusedDicom
from tests.dicom import made
from tests.dicom.files import program, sample

pytestmark = pytest.mark.usefixtures("forked")
RULES = Rules(key="a key of the export, kept apart from it", subject="TEACH-0007")
SHIFTED = Rules(key=RULES.key, subject=RULES.subject, shift_dates=True, patient="MRN-4711")
NAMING = (
    b"KRISHNAN", b"MEERA", b"MRN-4711", b"ACC-1", b"OLD-1", b"RAO^", b"CITY HOSPITAL", b"SN-77", b"19800102", b"12345",
    b"1.2.826",
)  # fmt: skip
TABLE = Path(__file__).parents[2] / "csss" / "dicom" / "data" / "basic_profile.csv"


def read(content: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(content))


def rich() -> bytes:
    """A picture with something in each class of attribute."""
    request = made.sequence_item(
        RequestedProcedureDescription="Chest of Krishnan",
        RequestingPhysician="Rao^A",
        StudyInstanceUID="1.2.826.0.1.99.1",
    )
    source = made.sequence_item(
        ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.1.1", ReferencedSOPInstanceUID="1.2.826.0.1.99.7"
    )
    return made.grey(
        StudyDate="20260301", SeriesDate="20260302", ContentDate="20260302", ContentTime="111213",
        AcquisitionDate="20260302",
        AcquisitionDateTime="20260302111213.5", StudyDescription="Chest, Meera K.", SeriesDescription="PA",
        ImageComments="Mrs Krishnan",
        ReferringPhysicianName="Rao^Anand", InstitutionName="City Hospital", InstitutionAddress="1 Main Street",
        StationName="XR1", DeviceSerialNumber="SN-77", OperatorsName="Tech^One", ProtocolName="THORAX KRISHNAN",
        PatientAge="046Y", PatientWeight="60", OtherPatientIDs="OLD-1", PatientTelephoneNumbers="12345",
        RequestAttributesSequence=[request], SourceImageSequence=[source], ViewCodeSequence=[],
        FrameOfReferenceUID="1.2.826.0.1.99.8", KVP="120", Exposure="2", ImageType=["ORIGINAL", "PRIMARY", "KRISHNAN"],
    )  # fmt: skip


def with_private(content: bytes) -> bytes:
    data = read(content)
    block = data.private_block(0x0019, "MAKER OF DEVICES", create=True)
    block.add_new(0x01, "LO", "Krishnan^Meera again")
    item = Dataset()
    item.private_block(0x0021, "MAKER", create=True).add_new(0x01, "LO", "MRN-4711")
    item.PatientID = "MRN-4711"
    data.SourceImageSequence.append(item)
    data.add_new(0x60000010, "US", 4)
    data.add_new(0x60000011, "US", 4)
    data.add_new(0x60003000, "OW", b"\xff\xff")
    target = io.BytesIO()
    data.preamble = b"Krishnan".ljust(128, b"\0")
    data.save_as(target)
    return target.getvalue()


def test_nothing_that_names_the_patient_is_left_anywhere() -> None:
    content = with_private(rich())
    assert content.upper().count(b"KRISHNAN") >= 6  # what the test below looks for is there
    result, facts = reading.deidentified(content, RULES)
    for word in NAMING:
        assert word not in result.upper(), word
    data = read(result)
    assert data.PatientName == data.PatientID == "TEACH-0007"
    assert not data.PatientBirthDate and "PatientAge" not in data
    assert facts.private >= 3 and facts.removed >= 10
    assert "ImageType" in facts.emptied


def test_dates_are_removed_and_the_file_says_so() -> None:
    result, _ = reading.deidentified(rich(), RULES)
    data = read(result)
    assert not data.StudyDate and data.get("SeriesDate") in {None, "", "19000101"}
    assert b"2026030" not in result
    assert data.LongitudinalTemporalInformationModified == "REMOVED"
    assert data.PatientIdentityRemoved == "YES"
    assert [item.CodeValue for item in data.DeidentificationMethodCodeSequence] == ["113100"]


def test_dates_move_by_the_same_days_for_all_files_of_a_patient() -> None:
    result, facts = reading.deidentified(rich(), SHIFTED)
    other, others = reading.deidentified(made.grey(StudyDate="20260311", PatientID="MRN-4711"), SHIFTED)
    data, second = read(result), read(other)
    assert facts.days_back == others.days_back == days_back(RULES.key, "MRN-4711")
    assert 1 <= facts.days_back <= 365
    apart = np.datetime64(
        f"{second.StudyDate[:4]}-{second.StudyDate[4:6]}-{second.StudyDate[6:]}"
    ) - np.datetime64(f"{data.StudyDate[:4]}-{data.StudyDate[4:6]}-{data.StudyDate[6:]}")
    assert apart == np.timedelta64(10, "D")
    assert data.StudyDate != "20260301" and data.StudyTime == "101112"
    assert not data.PatientBirthDate, "a birth date tells who it is, shifted or not"
    assert [item.CodeValue for item in data.DeidentificationMethodCodeSequence] == ["113100", "113107"]
    assert days_back(RULES.key, "MRN-4711") != days_back(RULES.key, "MRN-4712")


def test_uids_are_replaced_consistently_and_only_the_key_leads_back() -> None:
    first = read(reading.deidentified(rich(), RULES)[0])
    again = read(reading.deidentified(rich(), RULES)[0])
    sibling = read(reading.deidentified(made.grey(SOPInstanceUID="1.2.826.0.1.99.7"), RULES)[0])
    assert first.SOPInstanceUID == again.SOPInstanceUID == mapped_uid(RULES.key, "1.2.826.0.1.99.3")
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID
    assert first.StudyInstanceUID == sibling.StudyInstanceUID
    assert first.SourceImageSequence[0].ReferencedSOPInstanceUID == sibling.SOPInstanceUID
    assert first.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1.1"
    other = read(
        reading.deidentified(rich(), Rules(key="another key of the same length......", subject="X"))[0]
    )
    assert other.StudyInstanceUID != first.StudyInstanceUID
    assert len(first.SOPInstanceUID) <= 64


@pytest.mark.parametrize(
    "name",
    [
        "RG1_J2KR.dcm",
        "MR_small_bigendian.dcm",
        "emri_small_RLE.dcm",
        "image_dfl.dcm",
        "OT-PAL-8-face.dcm",
        "vlut_04.dcm",
    ],
)
def test_the_picture_and_what_shows_it_stay_bit_for_bit(name: str) -> None:
    content = sample(name)
    result, _ = reading.deidentified(content, RULES)
    assert np.array_equal(reading.stored_values(result).values, reading.stored_values(content).values)
    before, after = reading.facts_of(content).picture, reading.facts_of(result).picture
    assert before is not None and before == after


def test_whether_names_are_in_the_pixels_is_asked() -> None:
    asked = {
        value: reading.deidentified(made.grey(BurnedInAnnotation=value), RULES)[1]
        for value in ("YES", "NO", "")
    }
    assert [asked[value].burned_in for value in ("YES", "NO", "")] == ["YES", "NO", ""]
    assert [asked[value].look_at_pixels for value in ("YES", "NO", "")] == [True, False, True]
    ultrasound = reading.deidentified(made.grey(BurnedInAnnotation="NO", Modality="US"), RULES)[1]
    assert ultrasound.look_at_pixels, "an ultrasound device writes names into pictures, whatever it says"


def test_a_report_is_refused_because_its_text_would_have_to_be_read() -> None:
    with pytest.raises(RefusedDicom) as refusal:
        reading.deidentified(sample("test-SR.dcm"), RULES)
    assert refusal.value.problem is Problem.NO_PICTURE


def test_a_short_key_is_no_key() -> None:
    with pytest.raises(ValueError, match="too short"):
        mapped_uid("short", "1.2.3")


def test_the_table_is_that_of_the_standard() -> None:
    rows = list(csv.DictReader(TABLE.read_text("ascii").splitlines()))
    assert len(rows) == 655 == len({row["tag"] for row in rows})
    assert {row["action"] for row in rows} == {"D", "Z", "X", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"}
    expected = {
        0x00100010: "Z",
        0x00100020: "D",
        0x00080018: "U",
        0x00080050: "Z",
        0x00081030: "X",
        0x00204000: "X",
    }
    assert {tag: action_for(tag) for tag in expected} == expected
    assert action_for(0x60023000) == "X" and action_for(0x50020010) == "X" and action_for(0x00280010) == ""


def test_the_result_is_an_object_that_others_read(tmp_path: Path) -> None:
    target = tmp_path / "out.dcm"
    target.write_bytes(reading.deidentified(sample("RG1_UNCR.dcm"), RULES)[0])
    done = subprocess.run(
        [program("dcmdump", "dcmtk"), "+U8", str(target)], capture_output=True, text=True, check=True
    )
    assert "PatientIdentityRemoved" in done.stdout and "CompressedSamples" not in done.stdout
    said = subprocess.run(
        [program("dciodvfy", "dicom3tools"), str(target)], capture_output=True, text=True, check=False
    )
    before = subprocess.run(
        [program("dciodvfy", "dicom3tools"), str(_kept(tmp_path))],
        capture_output=True,
        text=True,
        check=False,
    )
    new = {line for line in said.stderr.splitlines() if line.startswith("Error")} - set(
        before.stderr.splitlines()
    )
    assert not new


def _kept(folder: Path) -> Path:
    target = folder / "in.dcm"
    target.write_bytes(sample("RG1_UNCR.dcm"))
    return target
