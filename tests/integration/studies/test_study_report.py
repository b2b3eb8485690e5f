"""The report of a validation study says how sure it is; an erased patient is in no study any more."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from csss.config import Settings
from csss.database import db
from csss.scans.models import Scan
from csss.storage.keys import new_key
from csss.study.erased import take_out_of_all
from csss.study.study_folder import StudyFolder
from tests.integration.command_line import command, done
from tests.integration.studies.study_files import events, everything_in
from tests.pdfa import pdfa_problems
from tests.studies import SECRETS, KnownHospital

pytestmark = pytest.mark.slow
ENCRYPTED = pytest.mark.parametrize(
    "settings", [{"storage_keys": new_key("k1")}], indirect=True, ids=["encrypted"]
)


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
