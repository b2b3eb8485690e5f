"""Validation studies: a sample that nobody chose, readers who learn no name, and a report that says how sure it is."""

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import select

from csss import create_app
from csss.audit.models import AuditEvent
from csss.config import Settings
from csss.database import db
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.storage.files import storage
from csss.storage.keys import new_key
from csss.study.cases import cases
from csss.study.erased import take_out_of_all
from csss.study.study_folder import StudyFolder
from tests.conftest import settings_for
from tests.factories import Clinic, picture, reading
from tests.integration.command_line import command, done, refused
from tests.pdfa import pdfa_problems
from tests.studies import CHEST, SECRETS, SPAN, KnownHospital

pytestmark = pytest.mark.slow
ENCRYPTED = pytest.mark.parametrize(
    "settings", [{"storage_keys": new_key("k1")}], indirect=True, ids=["encrypted"]
)


@pytest.fixture(scope="module")
def furnished(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> KnownHospital:
    """Forty patients with one verified scan each, made once; every test gets a copy."""
    folder = tmp_path_factory.mktemp("hospital")
    shutil.copy(migrated_sqlite, folder / "csss.db")
    settings = settings_for(folder)
    app = create_app(settings)
    with app.app_context():
        found = KnownHospital(Clinic(app), settings)
        found.scans(40, verified=True)
        db.session.remove()
        db.engine.dispose()
    return found


@pytest.fixture
def hospital(clinic: Clinic, settings: Settings, furnished: KnownHospital) -> KnownHospital:
    db.session.remove()
    db.engine.dispose()
    made = furnished.settings.instance_folder
    shutil.copy(made / "csss.db", settings.instance_folder / "csss.db")
    shutil.copytree(made / "storage", settings.instance_folder / "storage", dirs_exist_ok=True)
    return KnownHospital(clinic, settings, furnished.truth, furnished.mrns)


def events(action: str) -> list[AuditEvent]:
    found = db.session.scalars(select(AuditEvent).where(AuditEvent.action == action)).all()
    db.session.rollback()
    return list(found)


def sheet_of(export: Path, reader: str = "R1") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((export / f"sheet-{reader}.csv").read_text("utf-8-sig"))))


def everything_in(folder: Path) -> bytes:
    return b"\n".join(
        str(path.relative_to(folder)).encode() + b"\n" + path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


# Planning


def test_a_plan_says_positives_negatives_and_the_whole(app: Flask, settings: Settings) -> None:
    told = done(settings, "study", "plan", "--sensitivity", "0.9", "--width", "0.1", "--prevalence", "0.2")
    assert "141 positive scans" in told and "141 negative scans" in told and "774 scans in all" in told


def test_a_plan_that_nobody_can_carry_out_is_refused(app: Flask, settings: Settings) -> None:
    told = refused(settings, "study", "plan", "--width", "0.0001", "--prevalence", "0.2")
    assert "No study of a possible size" in told


# Drawing


def test_the_protocol_is_registered_when_the_sample_is_drawn(hospital: KnownHospital) -> None:
    told = hospital.draw("chest", 20, "--width", "0.2")
    study = hospital.study("chest")
    protocol = study.protocol()
    assert "20 of 40 scans have been drawn with the seed 7" in told
    assert (protocol.model_version, protocol.seed, protocol.size, protocol.classes) == (
        "test-1",
        7,
        20,
        CHEST,
    )
    assert protocol.flow.in_span == 40 and protocol.flow.drawn == 20
    (event,) = events("study.drawn")
    assert (event.subject_id, event.detail["sha256"]) == ("chest", study.protocol_digest())


def test_the_same_seed_draws_the_same_scans_and_another_seed_others(hospital: KnownHospital) -> None:
    for name, seed in (("one", "7"), ("two", "7"), ("three", "8")):
        hospital.draw(name, 15, "--seed", seed)
    one, two, three = (hospital.study(name).scans() for name in ("one", "two", "three"))
    assert one == two and set(one.values()) != set(three.values())


def test_one_scan_of_a_patient_is_drawn_unless_all_are_asked_for(clinic: Clinic, settings: Settings) -> None:
    hospital, patient = KnownHospital(clinic, settings), clinic.person("patient")
    for _ in range(4):
        clinic.scan(Status.AI_ANALYZED, patient=patient, result=reading("COVID"), image=picture(64, 64))
    assert "Only 1 scans can be drawn" in refused(
        settings, "study", "draw", "chest", "--target", "COVID", *SPAN, "--size", "2"
    )
    hospital.draw("every", 4, "--all-scans")
    assert len(hospital.study("every").scans()) == 4


def test_consecutive_scans_are_the_first_of_the_span(hospital: KnownHospital) -> None:
    hospital.draw("first", 10, "--sample", "consecutive")
    first = db.session.scalars(select(Scan.id).order_by(Scan.uploaded_at).limit(10)).all()
    assert set(hospital.study("first").scans().values()) == set(first)


def test_a_stratified_sample_has_the_make_up_of_the_hospital(hospital: KnownHospital) -> None:
    hospital.draw("strata", 20, "--sample", "stratified")
    sample = cases(hospital.study("strata").scans())
    assert sum(case.sex == "female" for case in sample) == 10  # half of the forty are


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--target", "Sick", "--kind", "chest_xray"), "Sick is no class of test-1 for these scans: COVID, Lung_Opacity"),
        (("--target", "COVID", "--until", "2019-01-01"), "The span ends before it begins."),
        (("--target", "COVID", "--since", "2099-01-01"), "The classifier has read no scan of this kind in this span."),
        (("--target", "COVID", "--model", "csss-9"), "csss-9 has read no scan"),
        (("--target", "COVID", "--size", "41"), "Only 40 scans can be drawn, and 41 are wanted."),
        (("--target", "COVID", "--reader", "R1", "--reader", "R1"), "needs a name of their own"),
        (("--target", "COVID", "--reader", "=R1"), "cannot stand for a reader"),
        (("--target", "COVID", "--reader", "R1", "--adjudicator", "R2"), "name at least two readers"),
    ],
)  # fmt: skip
def test_a_sample_that_cannot_be_drawn_is_refused_in_a_sentence(
    hospital: KnownHospital, options: tuple[str, ...], sentence: str
) -> None:
    told = refused(hospital.settings, "study", "draw", "chest", *SPAN, "--size", "5", *options)
    assert sentence in told and not hospital.study("chest").there


def test_a_study_is_drawn_once(hospital: KnownHospital) -> None:
    hospital.draw("chest", 5)
    assert "There is a study chest already" in refused(
        hospital.settings, "study", "draw", "chest", "--target", "COVID", *SPAN, "--size", "5"
    )
    assert "small letters" in refused(hospital.settings, "study", "show", "../chest")
    assert "There is no study other" in refused(hospital.settings, "study", "report", "other")


# The export


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
    assert list(rows[0]) == ["number", "kind", "age", "reading"] and len(rows) == 25
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


# The readings


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


# Erasing


def test_an_erased_patient_is_in_no_study_any_more(hospital: KnownHospital, tmp_path: Path) -> None:
    hospital.draw("chest", 30)
    export = tmp_path / "export"
    done(hospital.settings, "study", "export", "chest", export)
    hospital.read("chest", export)
    study = hospital.study("chest")
    number, scan_id = next(iter(study.scans().items()))
    mrn = db.session.get_one(Scan, scan_id).patient.mrn
    done(hospital.settings, "erase-patient", mrn, "--reason", "asked for", "--yes")
    # Without any command on the study.
    assert number not in study.scans() and set(study.withdrawn()) == {number}
    assert all(number not in each.classes for each in study.all_readings())
    assert not (export / "pictures" / f"{number}.png").exists()
    assert str(scan_id).encode() not in everything_in(study.path)
    told = done(hospital.settings, "study", "show", "chest")
    assert f"Withdrawn: {number}" in told and re.search(r"Exported \d{4}-\d\d-\d\d: 30 scans", told)
    figures = json.loads(done(hospital.settings, "study", "report", "chest", "--json"))
    assert (figures["withdrawn"], figures["in_study"]) == (1, 29)
    later = done(
        hospital.settings, "study", "import", "chest", export / "filled-sheet-R1.csv", "--reader", "R1"
    )
    assert "1 lines are of patients who have been erased" in later


def test_a_study_that_could_not_be_reached_is_cleaned_by_its_next_command(
    hospital: KnownHospital, tmp_path: Path, app: Flask
) -> None:
    hospital.draw("chest", 30)
    study = hospital.study("chest")
    number, scan_id = next(iter(study.scans().items()))
    away = tmp_path / "away"
    shutil.move(study.path, away)
    mrn = db.session.get_one(Scan, scan_id).patient.mrn
    done(hospital.settings, "erase-patient", mrn, "--reason", "asked for", "--yes")
    shutil.move(away, study.path)
    assert number in study.scans()
    take_out_of_all()
    assert number not in study.scans()


# The report


@pytest.fixture
def read_study(hospital: KnownHospital, settings: Settings, tmp_path: Path) -> KnownHospital:
    """All forty scans, two readers and an adjudicator, and an observer who reads twice."""
    hospital.draw(
        "chest", 40, "--reader", "R1", "--reader", "R2", "--adjudicator", "R3", "--observer", "D1", "--prevalence", "0.1"
    )  # fmt: skip
    export = tmp_path / "export"
    done(settings, "study", "export", "chest", export)
    hospital.read("chest", export, sees=1.0, R1=0.9, D1=0.6)
    again = hospital.fill_in("chest", export / "sheet-D1.csv", sees=0.95, seed=50)
    done(settings, "study", "import", "chest", again, "--reader", "D1", "--with-classifier")
    return hospital


def test_the_report_tells_what_can_be_counted_by_hand(read_study: KnownHospital) -> None:
    """R2 and the adjudicator see the truth, so it is the reference: where R1 errs, the adjudicator decides."""
    figures = json.loads(done(read_study.settings, "study", "report", "chest", "--json"))
    found, target = figures["results"], {"COVID", "Lung_Opacity", "Viral_Pneumonia"}
    db.session.remove()
    hits = misses = alarms = quiet = 0
    for scan_id, truth in read_study.truth.items():
        prediction = db.session.get_one(Scan, scan_id).prediction
        assert prediction is not None
        called = prediction.top_label in target
        hits, misses = hits + (truth in target and called), misses + (truth in target and not called)
        alarms, quiet = (
            alarms + (truth not in target and called),
            quiet + (truth not in target and not called),
        )
    main = found["main"]
    assert (main["true_positives"], main["false_negatives"]) == (hits, misses)
    assert (main["false_positives"], main["true_negatives"]) == (alarms, quiet)
    assert main["sensitivity"]["low"] < main["sensitivity"]["value"] < main["sensitivity"]["high"]
    assert found["at_stated_prevalence"]["prevalence"] == 0.1
    assert sum(found["reference_classes"].values()) == 40 == found["scans"]
    assert found["area"]["low"] < found["area"]["value"] < found["area"]["high"]
    assert {group["about"] for group in found["subgroups"]} == {"age", "sex"}
    differ = re.search(r"the readers differ on: (.*)", done(read_study.settings, "study", "show", "chest"))
    assert differ and all(re.fullmatch(r"S\d{4}", number) for number in differ[1].split(", "))
    (change,) = figures["readers"]["changes"]
    assert change["reader"] == "D1" and change["difference"] > 0 and not change["part_of_it"]
    assert figures["registration"]["unchanged"] is True
    assert len(found["missed"]) == misses and len(found["false_alarms"]) == alarms
    agreed = {row["answer"]: row["agree"]["hits"] for row in figures["readers"]["routine"]}
    assert agreed["right"] + agreed["wrong"] == 40  # the doctors of the tests agree with everything


def test_the_report_is_a_document_for_a_board(read_study: KnownHospital, tmp_path: Path) -> None:
    told = done(read_study.settings, "study", "report", "chest", "--to", tmp_path / "out")
    assert [Path(line).name for line in told.split()] == ["report.html", "report.pdf", "figures.json"]
    pdf, html = (tmp_path / "out" / "report.pdf").read_bytes(), (tmp_path / "out" / "report.html").read_text()
    assert pdfa_problems(pdf) == []
    text = subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True
    ).stdout.decode()
    for words in (
        "Diagnostic accuracy of the AI classifier test-1",
        "where they differ, the reading of the adjudicator R3 is",
        "Sensitivity",
        "Kappa",
        "For the hospital to fill in",
        "CLAIM 2024",
        "STARD-AI",
        "DECIDE-AI",
        "few",
    ):
        assert words in " ".join(text.split()), words
    assert "<script" not in html and "http" not in html.replace("http-equiv", "")
    for secret in (*SECRETS, *read_study.mrns):
        assert secret not in html and secret not in text


def test_a_changed_protocol_is_told_in_the_report(read_study: KnownHospital, tmp_path: Path) -> None:
    protocol = read_study.study("chest").path / "study.json"
    protocol.write_text(protocol.read_text().replace('"Viral_Pneumonia"', '"Normal"', 1))
    done(read_study.settings, "study", "report", "chest", "--to", tmp_path / "out")
    assert "The protocol is not the one that was registered" in (tmp_path / "out" / "report.html").read_text()


def test_a_report_before_any_reading_says_that_nothing_can_be_said(
    hospital: KnownHospital, tmp_path: Path
) -> None:
    hospital.draw("chest", 10)
    done(hospital.settings, "study", "report", "chest", "--to", tmp_path / "out")
    text = " ".join((tmp_path / "out" / "report.html").read_text().split())
    assert "No scan has a reference yet" in text and "not read by everybody who had to" in text


def test_commands_are_recorded_and_refused_without_a_traceback(hospital: KnownHospital) -> None:
    hospital.draw("chest", 10)
    done(hospital.settings, "study", "report", "chest", "--json")
    assert [event.subject_id for event in events("study.reported")] == ["chest"]
    assert command(hospital.settings, "study", "draw", "x", "--size", "0").exit_code == 2


def test_another_storage_key_takes_the_keys_of_studies_along(
    hospital: KnownHospital, settings: Settings
) -> None:
    hospital.draw("chest", 5)
    before = hospital.study("chest").scans()
    keyed = replace(settings, storage_keys=new_key("k2"))
    done(keyed, "storage", "rotate")
    study = StudyFolder(keyed, "chest")
    assert study.key_is_encrypted and study.scans() == before
