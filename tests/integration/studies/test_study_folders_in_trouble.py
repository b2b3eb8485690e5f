"""A validation study keeps its promises when folders, files, disks and people are not as hoped."""

import csv
import io
import os
import threading
from pathlib import Path

import pytest

from csss.config import Settings
from csss.database import db, transaction
from csss.erasing import services
from csss.scans.models import Scan
from csss.study import exporting, reading_sheets
from csss.study.protocol import StudyRefused
from tests.integration.command_line import done, refused
from tests.integration.studies.study_files import events, sheet_of
from tests.studies import KnownHospital

pytestmark = pytest.mark.slow


def erase(hospital: KnownHospital, name: str = "chest") -> str:
    """Erase the patient of the first scan of a study, and return its number."""
    number, scan_id = next(iter(hospital.study(name).scans().items()))
    mrn = db.session.get_one(Scan, scan_id).patient.mrn
    done(hospital.settings, "erase-patient", mrn, "--reason", "asked for", "--yes")
    return number


def sheet(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["number,reading", *lines, ""]))
    return path


def test_no_link_leads_an_export_beside_a_key(hospital: KnownHospital, tmp_path: Path) -> None:
    hospital.draw("chest", 5)
    hospital.draw("other", 5)
    study = hospital.study("chest")
    away = tmp_path / "away"
    study.path.parent.rename(away)
    study.path.parent.symlink_to(away)
    (tmp_path / "link").symlink_to(away / "chest")
    for target in (away / "chest" / "out", tmp_path / "link" / "out", away / "other" / "out", away / "out"):
        assert "apart" in refused(hospital.settings, "study", "export", "chest", target)
        assert not target.exists()
    assert study.exports() == []


def test_a_picture_that_cannot_be_deleted_keeps_nothing_else_back(
    hospital: KnownHospital, tmp_path: Path
) -> None:
    hospital.draw("chest", 5)
    export, study = tmp_path / "export", hospital.study("chest")
    done(hospital.settings, "study", "export", "chest", export)
    number = next(iter(study.scans()))
    done(
        hospital.settings, "study", "import", "chest", sheet(tmp_path / "a.csv", f"{number},COVID", "S0002,Normal"),
        "--reader", "R1",
    )  # fmt: skip
    picture = export / "pictures" / f"{number}.png"
    picture.unlink()
    picture.mkdir()  # which nobody can unlink, root neither
    assert erase(hospital) == number
    assert number not in study.scans() and number in study.withdrawn()
    assert number not in study.numbers_read()
    assert f"{picture} cannot be deleted" in done(hospital.settings, "study", "show", "chest")
    done(hospital.settings, "study", "report", "chest", "--json")  # no command stops at it
    picture.rmdir()
    picture.write_bytes(b"the picture")
    assert "cannot be deleted" not in done(hospital.settings, "study", "show", "chest")
    assert not picture.exists()


def test_the_picture_of_another_study_at_the_same_place_stays(
    hospital: KnownHospital, tmp_path: Path
) -> None:
    hospital.draw("chest", 5)
    export = tmp_path / "export"
    done(hospital.settings, "study", "export", "chest", export)
    export.rename(tmp_path / "carried elsewhere")
    hospital.draw("other", 5, "--seed", "99")
    done(hospital.settings, "study", "export", "other", export)
    study = hospital.study("chest")
    number, scan_id = next(
        (number, scan) for number, scan in study.scans().items() if hospital.study("other").scans()[number] != scan
    )  # fmt: skip
    mrn = db.session.get_one(Scan, scan_id).patient.mrn
    done(hospital.settings, "erase-patient", mrn, "--reason", "asked for", "--yes")
    assert number not in study.scans()
    if number in hospital.study("other").scans():
        assert (export / "pictures" / f"{number}.png").exists()
    assert "is not this export any more" in done(hospital.settings, "study", "show", "chest")


def test_a_half_written_picture_of_an_erased_patient_is_deleted(
    hospital: KnownHospital, tmp_path: Path
) -> None:
    hospital.draw("chest", 5)
    export = tmp_path / "export"
    done(hospital.settings, "study", "export", "chest", export)
    number = next(iter(hospital.study("chest").scans()))
    killed = export / "pictures" / f"{number}.0123abcd.partial"
    killed.write_bytes(b"half a picture")
    erase(hospital)
    assert not killed.exists() and not killed.with_suffix("").exists()


def test_what_a_killed_writer_left_of_the_key_is_removed(hospital: KnownHospital) -> None:
    hospital.draw("chest", 5)
    left = [
        hospital.study("chest").path / each for each in ("scans.01234567.partial", "readings/a.0.partial")
    ]
    for path in left:
        path.write_bytes(b"numbers of patients")
    done(hospital.settings, "study", "show", "chest")
    assert not any(path.exists() for path in left)


def test_one_reader_s_sheet_is_not_taken_for_another_s(hospital: KnownHospital, tmp_path: Path) -> None:
    hospital.draw("chest", 5)
    export = tmp_path / "export"
    done(hospital.settings, "study", "export", "chest", export)
    assert {row["reader"] for row in sheet_of(export, "R2")} == {"R2"}
    filled = hospital.fill_in("chest", export / "sheet-R1.csv", sees=0.9, seed=1)
    told = refused(hospital.settings, "study", "import", "chest", filled, "--reader", "R2")
    assert "Line 2: it is of the sheet of R1, and not of R2." in told
    assert hospital.study("chest").all_readings() == []
    done(hospital.settings, "study", "import", "chest", filled, "--reader", "R1")
    bare = sheet(tmp_path / "bare.csv", "S0001,COVID", "S0002,Normal")
    done(hospital.settings, "study", "import", "chest", bare, "--reader", "R1")
    assert "This very file was read in as the sheet of R1" in refused(
        hospital.settings, "study", "import", "chest", bare, "--reader", "R2"
    )
    done(hospital.settings, "study", "import", "chest", bare, "--reader", "R1")  # one's own, again


def test_who_is_erased_while_a_sheet_is_read_in_leaves_it(
    hospital: KnownHospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The erasure waits for the sheet, and takes the reading out of it."""
    hospital.draw("chest", 5)
    study = hospital.study("chest")
    number, scan_id = next(iter(study.scans().items()))
    mrn = db.session.get_one(Scan, scan_id).patient.mrn
    parse, waiting = reading_sheets.parse, []

    def erased() -> None:
        with hospital.clinic.app.app_context(), transaction():
            services.erase_as_deployer(mrn, reason="asked for", password_hash="")

    def meanwhile(*arguments: object) -> object:
        eraser = threading.Thread(target=erased)
        eraser.start()
        waiting.append(eraser)
        eraser.join(timeout=3)
        assert eraser.is_alive()
        return parse(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reading_sheets, "parse", meanwhile)
    content = sheet(tmp_path / "a.csv", f"{number},COVID", "S0002,Normal").read_bytes()
    reading_sheets.read_in(study, content, "R1", aided=False)
    waiting[0].join(timeout=120)
    assert number not in study.scans() and number not in study.numbers_read()


def test_a_reading_that_was_left_behind_is_taken_out_by_the_next_command(
    hospital: KnownHospital, tmp_path: Path
) -> None:
    hospital.draw("chest", 5)
    study, number = hospital.study("chest"), erase(hospital)
    study.add_readings("R1", aided=False, sha256="0", classes={number: "COVID", "S0003": "Normal"})
    done(hospital.settings, "study", "show", "chest")
    assert number not in study.numbers_read()


def test_two_who_read_in_at_once_make_two_versions(hospital: KnownHospital) -> None:
    hospital.draw("chest", 5)
    begin = threading.Barrier(4)

    def one(said: str) -> None:
        begin.wait()
        hospital.study("chest").add_readings("R1", aided=False, sha256=said, classes={"S0001": said})

    threads = [threading.Thread(target=one, args=(f"class {each}",)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    kept = hospital.study("chest").all_readings()
    assert [each.version for each in kept] == [1, 2, 3, 4] and len({each.sha256 for each in kept}) == 4


def test_an_export_that_breaks_off_stands_in_the_audit_log(
    hospital: KnownHospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.draw("chest", 5)
    pictures = iter((b"one", b"two"))
    monkeypatch.setattr(exporting, "pixels_only", lambda stored: next(pictures))
    with pytest.raises(StopIteration):
        exporting.export(hospital.study("chest"), tmp_path / "export", with_sex=False)
    assert len([*(tmp_path / "export" / "pictures").iterdir()]) == 2
    assert len(events("study.exported")) == 1 and len(events("scan.exported_for_study")) == 5


def test_whatever_is_exported_is_for_its_owner_alone(hospital: KnownHospital, tmp_path: Path) -> None:
    hospital.draw("chest", 5)
    export = tmp_path / "export"
    export.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        done(hospital.settings, "study", "export", "chest", export)
        done(hospital.settings, "study", "report", "chest")
    finally:
        os.umask(before)
    for folder in (export, hospital.study("chest").path):
        everything = [folder, *folder.rglob("*")]
        assert {oct(path.stat().st_mode & 0o777) for path in everything if path.is_dir()} == {"0o700"}
        assert {oct(path.stat().st_mode & 0o777) for path in everything if path.is_file()} == {"0o600"}


def test_a_sheet_holds_nothing_that_a_spreadsheet_would_run(
    hospital: KnownHospital, tmp_path: Path, settings: Settings
) -> None:
    hospital.draw("chest", 5)
    for path in (tmp_path / "export", tmp_path / "more"):
        done(settings, "study", "export", "chest", path, "--with-sex")
        for reader in ("R1", "R2"):
            text = (path / f"sheet-{reader}.csv").read_text("utf-8-sig")
            cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
            assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r")]


def test_a_question_is_text_wherever_it_is_printed(
    hospital: KnownHospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No address in it is asked for, of this machine or of another."""
    secret = tmp_path / "secret.txt"
    secret.write_text("must not be read")
    asked = f'</p><img src="file://{secret}"><img src="http://127.0.0.1:9180/x"><script>alert(1)</script>'
    hospital.draw("chest", 5, "--question", asked)
    done(hospital.settings, "study", "report", "chest", "--to", tmp_path / "out")
    html = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in html and 'src="file:' not in html and 'src="http:' not in html
    assert "&lt;script&gt;" in html
    assert b"must not be read" not in (tmp_path / "out" / "report.pdf").read_bytes()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("number,reading\nS0001,COVID\n".encode("utf-16"), "no CSV in UTF-8"),
        ("number,reading\nS0001,COVID\n".encode("utf-16-le"), "no CSV in UTF-8"),
        (bytes(range(256)) * 40, "no CSV in UTF-8"),
        (b"number,reading\n" + b"S0001," + b"x" * 200_000 + b"\n", "The file is no CSV"),
        (b"x" * 20_000_001, "too large"),
        (b"number,reading\nS0001,=cmd|' /C calc'!A0\n", "cannot be read. Write one of"),
        (b"number,reading\nS0001,\x1b[31mred\n", "cannot be read. Write one of"),
    ],
    ids=["utf-16", "utf-16 without a mark", "binary", "an endless cell", "huge", "formula", "terminal"],
)
def test_no_file_harms_the_import(
    hospital: KnownHospital, tmp_path: Path, content: bytes, sentence: str
) -> None:
    hospital.draw("chest", 5)
    (tmp_path / "sheet.csv").write_bytes(content)
    told = refused(hospital.settings, "study", "import", "chest", tmp_path / "sheet.csv", "--reader", "R1")
    assert sentence in told and "\x1b" not in told


def test_a_study_of_which_everybody_was_erased_still_has_a_report(
    hospital: KnownHospital, tmp_path: Path
) -> None:
    hospital.draw("chest", 1)
    erase(hospital)
    done(hospital.settings, "study", "report", "chest", "--to", tmp_path / "out")
    with pytest.raises(StudyRefused, match="no reading"):
        reading_sheets.read_in(hospital.study("chest"), b"number,reading\nS0001,COVID\n", "R1", aided=False)


def test_a_backup_holds_the_studies_and_puts_others_aside(hospital: KnownHospital, tmp_path: Path) -> None:
    hospital.draw("chest", 5)
    study = hospital.study("chest")
    reading = sheet(tmp_path / "a.csv", "S0001,COVID", "S0002,Normal")
    done(hospital.settings, "study", "import", "chest", reading, "--reader", "R1")
    before = {path.name: path.read_bytes() for path in study.path.rglob("[!.]*") if path.is_file()}
    scans = study.scans()
    done(hospital.settings, "backup", tmp_path / "copy.tar.gz")
    hospital.draw("later", 5)
    (study.path / "scans.key").write_bytes(b"lost")
    told = done(hospital.settings, "restore", tmp_path / "copy.tar.gz", "--force")
    assert "1 studies were restored" in told and "The studies that were there are in" in told
    assert study.scans() == scans
    assert (
        all(path.read_bytes() == before.pop(path.name) for path in study.path.rglob("*.*") if path.suffix)
        and not before
    )
    assert not hospital.study("later").there
    (aside,) = hospital.settings.instance_folder.glob("studies-before-*")
    assert (aside / "later" / "study.json").is_file()
    assert {oct(path.stat().st_mode & 0o777) for path in study.path.rglob("*")} == {"0o600", "0o700"}
    assert "Withdrawn: none" in done(hospital.settings, "study", "show", "chest")
