"""A validation study is planned, and drawn as a sample that nobody chose."""

import pytest
from flask import Flask
from sqlalchemy import select

from csss.config import Settings
from csss.database import db
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.study.cases import cases
from tests.factories import Clinic, picture, reading
from tests.integration.command_line import done, refused
from tests.integration.studies.study_files import events
from tests.studies import CHEST, SPAN, KnownHospital

pytestmark = pytest.mark.slow


def test_a_plan_says_positives_negatives_and_the_whole(app: Flask, settings: Settings) -> None:
    told = done(settings, "study", "plan", "--sensitivity", "0.9", "--width", "0.1", "--prevalence", "0.2")
    assert "141 positive scans" in told and "141 negative scans" in told and "774 scans in all" in told


def test_a_plan_that_nobody_can_carry_out_is_refused(app: Flask, settings: Settings) -> None:
    told = refused(settings, "study", "plan", "--width", "0.0001", "--prevalence", "0.2")
    assert "No study of a possible size" in told


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
