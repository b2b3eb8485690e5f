"""Readers of a validation study learn no name, and what they read is taken over with care."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from csss.config import Settings
from csss.database import db
from csss.scans.models import Scan
from csss.storage.files import storage
from csss.storage.keys import new_key
from csss.study.study_folder import StudyFolder
from tests.integration.command_line import done, refused
from tests.integration.studies.study_files import events, everything_in, sheet_of
from tests.studies import SECRETS, KnownHospital

pytestmark = pytest.mark.slow
ENCRYPTED = pytest.mark.parametrize(
    "settings", [{"storage_keys": new_key("k1")}], indirect=True, ids=["encrypted"]
)


def test_nothing_of_a_person_leaves_the_hospital(hospital: KnownHospital, tmp_path: Path) -> None:
    hospital.draw("chest", 25)
    done(hospital.settings, "study", "export", "chest", tmp_path / "export")
    exported = everything_in(tmp_path / "export")
    scans = hospital.study("chest").scans().values()
    secrets = [*SECRETS, *hospital.mrns, *map(str, scans), "csss.example", "Cough for two weeks"]
    keys = db.session.scalars(select(Scan.file_key)).all()
    for secret in (*secrets, *keys, *(key.rpartition("/")[2] for key in keys)):
        assert secret.lower().encode() not in exported.lower(), secret
    assert not re.search(rb"confidence|probab|uncertain", exported, re.IGNORECASE)


def test_pictures_go_out_as_pixels_alone(hospital: KnownHospital, tmp_path: Path) -> None:
    hospital.draw("chest", 5)
    done(hospital.settings, "study", "export", "chest", tmp_path / "export")
    for number, scan_id in hospital.study("chest").scans().items():
        scan = db.session.get_one(Scan, scan_id)
        with Image.open(tmp_path / "export" / "pictures" / f"{number}.png") as out:
            assert out.info == {} and out.getexif() == {}
            with Image.open(io.BytesIO(storage().read(scan.file_key))) as kept:
                assert np.array_equal(np.asarray(out), np.asarray(kept))


def test_a_sheet_gives_age_in_bands_and_the_sex_only_when_asked(
    hospital: KnownHospital, tmp_path: Path
) -> None:
    hospital.draw("chest", 25)
    done(hospital.settings, "study", "export", "chest", tmp_path / "without")
    done(hospital.settings, "study", "export", "chest", tmp_path / "with", "--with-sex")
    rows = sheet_of(tmp_path / "without")
    assert list(rows[0]) == ["number", "kind", "age", "reader", "reading"] and len(rows) == 25
    assert {row["age"] for row in rows} <= {"0 to 17", "18 to 39", "40 to 64", "65 to 79", "80 and over"}
    assert {row["reading"] for row in rows} == {""}
    assert {row["sex"] for row in sheet_of(tmp_path / "with")} == {"female", "male"}
    orders = [[row["number"] for row in sheet_of(tmp_path / "without", name)] for name in ("R1", "R2")]
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])


def test_an_export_is_audited_with_every_scan_of_it(hospital: KnownHospital, tmp_path: Path) -> None:
    hospital.draw("chest", 5)
    done(hospital.settings, "study", "export", "chest", tmp_path / "export")
    assert [event.detail["scans"] for event in events("study.exported")] == [5]
    handed_out = {event.subject_id for event in events("scan.exported_for_study")}
    assert handed_out == {str(scan) for scan in hospital.study("chest").scans().values()}


def test_an_export_keeps_apart_from_the_key_and_from_other_files(
    hospital: KnownHospital, tmp_path: Path
) -> None:
    hospital.draw("chest", 5)
    study = hospital.study("chest")
    assert "apart" in refused(hospital.settings, "study", "export", "chest", study.path / "export")
    (tmp_path / "letter.txt").write_text("mine")
    assert "not empty" in refused(hospital.settings, "study", "export", "chest", tmp_path)


def test_the_key_is_for_its_owner_alone(hospital: KnownHospital) -> None:
    hospital.draw("chest", 5)
    folder = hospital.study("chest").path
    assert {oct(path.stat().st_mode & 0o777) for path in folder.rglob("*") if path.is_file()} == {"0o600"}
    assert oct(folder.stat().st_mode & 0o777) == "0o700"


@ENCRYPTED
def test_the_key_is_encrypted_where_there_are_storage_keys(
    hospital: KnownHospital, settings: Settings
) -> None:
    hospital.draw("chest", 5)
    study = hospital.study("chest")
    stored = (study.path / "scans.key").read_bytes()
    assert study.key_is_encrypted
    assert not any(str(scan).encode() in stored for scan in study.scans().values())
    locked = StudyFolder(replace(settings, storage_keys=""), "chest")
    with pytest.raises(Exception, match="CSSS_STORAGE_KEYS is empty"):
        locked.scans()


def test_mistakes_in_a_sheet_are_told_with_their_lines_and_nothing_is_taken_over(
    hospital: KnownHospital, tmp_path: Path
) -> None:
    hospital.draw("chest", 5)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("number,reading\nS0001,COVID\nS0001,Normal\nS0099,COVID\nS0002,a shadow\nS0003\n")
    told = refused(hospital.settings, "study", "import", "chest", sheet, "--reader", "R1")
    assert "Line 3: S0001 stands in line 2 already." in told
    assert "Line 4: there is no scan S0099 in this study." in told
    assert "Line 5: “a shadow” cannot be read. Write one of: COVID, Lung_Opacity" in told
    assert "Line 6: it has 1 columns, and the first line has 2." in told
    assert hospital.study("chest").all_readings() == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it must name the columns"),
        (b"a,b\n1,2\n", "it must name the columns"),
        (b"number,reading\nS0001,\n", "The sheet holds no reading"),
        (b"PK\x03\x04\xff\xfe", "Save the sheet as"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused(
    hospital: KnownHospital, tmp_path: Path, content: bytes, sentence: str
) -> None:
    hospital.draw("chest", 5)
    (tmp_path / "sheet.csv").write_bytes(content)
    told = refused(hospital.settings, "study", "import", "chest", tmp_path / "sheet.csv", "--reader", "R1")
    assert sentence in told


def test_sheets_of_spreadsheet_programs_are_read(hospital: KnownHospital, tmp_path: Path) -> None:
    """Semicolons, a mark of byte order, the names that people use, blank lines, and small letters."""
    hospital.draw("chest", 5)
    sheet = tmp_path / "sheet.csv"
    lines = [
        "Number;Kind;Reading",
        "s0001;x;Lung opacity",
        "S0002;x;covid-19",
        ";;",
        "S0003;x;",
        "S0004;x;Unreadable",
    ]
    sheet.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    told = done(hospital.settings, "study", "import", "chest", sheet, "--reader", "R1")
    assert "3 readings of R1" in told and "1 lines are blank" in told
    (kept,) = hospital.study("chest").all_readings()
    assert kept.classes == {"S0001": "Lung_Opacity", "S0002": "COVID", "S0004": "unreadable"}


def test_every_version_of_a_sheet_is_kept_and_the_newest_counts(
    hospital: KnownHospital, tmp_path: Path
) -> None:
    hospital.draw("chest", 5)
    for said in ("COVID", "Normal"):
        (tmp_path / "sheet.csv").write_text(f"number,reading\nS0001,{said}\n")
        done(hospital.settings, "study", "import", "chest", tmp_path / "sheet.csv", "--reader", "R2")
    study = hospital.study("chest")
    assert [(each.version, each.classes["S0001"]) for each in study.all_readings()] == [
        (1, "COVID"),
        (2, "Normal"),
    ]
    assert study.newest_readings(aided=False)["R2"].classes == {"S0001": "Normal"}
    assert "R9 is none of the readers of this study: R1, R2." in refused(
        hospital.settings, "study", "import", "chest", tmp_path / "sheet.csv", "--reader", "R9"
    )
