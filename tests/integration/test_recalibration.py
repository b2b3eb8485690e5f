"""A hospital fits the classifier to its own verified readings, and an administrator puts the new version in use."""

import csv
import json
import shutil
import uuid
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.config import Settings
from csss.database import db, transaction
from csss.inference import Engine, ModelMissing
from csss.inference.labels import check_files, default_folder, read_info
from csss.inference.scaling import calibrate
from csss.jobs import scan_jobs
from csss.paths import MODELS
from csss.recalibration import folders, in_use
from csss.recalibration.models import ModelChoice, Recalibration
from csss.scans import analysis
from csss.scans.models import Prediction
from csss.scans.states import Status
from tests.factories import Clinic
from tests.hospital import INFO, fill, keep_fitted_version, result_of, scans, verify
from tests.integration.command_line import command, done, refused
from tests.visitor import Visitor, words

BASE = INFO.version
NEW = f"{BASE}+h1"
PAGE = "/models/versions"


@pytest.fixture(autouse=True)
def _forget() -> None:
    """The folders of all tests lie at one place."""
    scan_jobs.loaded.cache_clear()


def press(admin: Visitor, form: str, **more: str) -> int:
    """Press the button of the page that sends this form; the status."""
    html = BeautifulSoup(admin.get(PAGE).get_data(as_text=True), "html.parser")
    for each in html.select(f'form[action="{PAGE}/{form}"]'):
        fields = {str(field["name"]): str(field["value"]) for field in each.select("input[name]")}
        if more.items() <= fields.items():
            return admin.post(f"{PAGE}/{form}", fields).status_code
    raise AssertionError(f"there is no such button: {form} {more}")


# Fitting


def test_300_verified_readings_make_a_version_that_says_what_it_is(
    clinic: Clinic, settings: Settings
) -> None:
    ids = fill(clinic, 300)
    with db.engine.connect() as connection:
        kept = connection.execute(select(Prediction.scan_id, Prediction.probabilities)).all()
    told = done(settings, "recalibrate", "--right", "80")
    assert f"{NEW} has been made" in told and "It is not in use yet" in told
    assert "calibration error" in told and "by chance alone" in told
    folder = settings.instance_folder / "models" / NEW
    info = read_info(folder)
    check_files(info)
    assert (info.version, info.base, info.model_sha256) == (NEW, BASE, INFO.model_sha256)
    assert info.temperature > INFO.temperature * 1.4  # the simulated classifier is too sure of itself
    assert info.bias[INFO.names.index("Normal")] > info.bias[INFO.names.index("COVID")]
    found = json.loads((folder / "metrics.json").read_text("utf-8"))["hospital"]
    assert sum(found["readings"].values()) == len(ids) == len(kept) == 300
    assert found["held_back"]["patients"] + found["fitting"]["patients"] == 150
    for side in ("before", "after"):
        low, high = found[side]["right"]["interval"]
        assert low <= found[side]["right"]["value"] <= high
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    for sentence in (
        f"# Model card: {NEW}",
        "Not for clinical use without prospective validation.",
        f"read the card of {BASE} first",
        f"| temperature | {INFO.temperature:.3f} | {info.temperature:.3f} |",
        INFO.model_sha256,
        folders.sha256_of(MODELS / BASE / "labels.json"),
        "held back",
        "95 % intervals",
    ):
        assert sentence in card
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "model.recalibrated")).one()
    assert (event.subject_id, event.origin, event.detail) == (NEW, "command line", {"fitted_to": BASE})
    assert f"* {BASE} " in done(settings, "models")
    assert NEW in done(settings, "models")
    # The second one has a number of its own.
    assert f"{BASE}+h2 has been made" in done(settings, "recalibrate", "--right", "80")


@pytest.mark.both_databases
def test_too_few_readings_are_refused_with_what_is_missing(clinic: Clinic, settings: Settings) -> None:
    fill(clinic, 6)
    stranger = clinic.scan(Status.DOCTOR_VERIFIED)  # read by test-1
    assert stranger.prediction is not None
    told = refused(settings, "recalibrate")
    assert f"The verified readings of {BASE} are too few." in told
    assert "patients with such a reading: 3 of 100, 97 missing" in told
    assert f"There are 6 verified readings of {BASE}:" in told
    assert "two classes with 20 named readings each: COVID " in told
    assert "Readings of other versions do not count for it: test-1 1." in told
    assert not (settings.instance_folder / "models").exists()


def test_without_readings_nothing_is_fitted(settings: Settings, app: Flask) -> None:
    told = refused(settings, "recalibrate")
    assert "verified readings that say something of the class: 0 of 200, 200 missing" in told


def test_a_doctor_names_the_classes_that_readings_leave_open(
    clinic: Clinic, settings: Settings, tmp_path: Path
) -> None:
    doctor, patient = clinic.person("doctor"), clinic.person("patient")
    unsure = next(scan for scan in scans(7, 50) if not scan.is_answered)
    right = next(scan for scan in scans(7, 50) if scan.is_answered and scan.top == scan.truth)
    open_id = verify(clinic, unsure, patient, doctor)
    verify(clinic, unsure, patient, doctor, diagnosis="Lung opacity")
    verify(clinic, right, patient, doctor)
    file = tmp_path / "unnamed.csv"
    assert "1 scans" in done(settings, "recalibrate", "--unnamed", file)
    with file.open(encoding="utf-8", newline="") as source:
        (row,) = csv.DictReader(source)
    assert row == {"scan": str(open_id), "kind": unsure.kind.value, "answer": "Uncertain", "class": ""}
    for scan, label, because in (
        (open_id, "Sick" if unsure.kind == "chest_xray" else "COVID", "no class of this kind of scan"),
        (open_id, "a cold", "no class of this kind of scan"),
        (uuid.uuid4(), "Normal", "no doctor has verified it"),
        ("seven", "Normal", "is no scan"),
    ):
        file.write_text(f"scan,class\n{scan},{label}\n", "utf-8")
        assert because in " ".join(refused(settings, "recalibrate", "--classes", file).split())
    file.write_text("scan\n", "utf-8")
    assert "needs the columns scan and class" in refused(settings, "recalibrate", "--classes", file)
    file.write_text(f"scan,class\n{open_id},normal\n", "utf-8")
    assert "- 1 the class stands in the list" in refused(settings, "recalibrate", "--classes", file)
    assert "- 1 the diagnosis is the name of a class" in refused(settings, "recalibrate")


# Putting in use


@pytest.mark.both_databases
def test_an_administrator_compares_puts_in_use_and_goes_back_one_step(admin: Visitor) -> None:
    keep_fitted_version()
    second = keep_fitted_version(seed=4)
    text = words(admin.get(PAGE))
    assert f"In use: {BASE}" in text
    assert "Nobody has chosen yet" in text
    for word in (NEW, second, "Before", "After", "Calibration error", "by chance alone", "95 % intervals"):
        assert word in text
    assert "Go back" not in text
    assert press(admin, "use", version=NEW) == 303
    assert press(admin, "use", version=second) == 303
    assert f"In use: {second}" in words(admin.get(PAGE))
    assert press(admin, "back") == 303
    assert f"In use: {NEW}" in words(admin.get(PAGE))
    assert press(admin, "back") == 303  # one step further, not forward again
    text = words(admin.get(PAGE))
    assert f"In use: {BASE}" in text and "Go back" not in text
    assert [row.version for row in db.session.scalars(select(ModelChoice).order_by(ModelChoice.number))] == [
        NEW,
        second,
        NEW,
        "",
    ]
    events = db.session.scalars(
        select(AuditEvent).where(AuditEvent.action == "model.chosen").order_by(AuditEvent.id)
    ).all()
    assert [(event.subject_id, event.detail["instead_of"]) for event in events] == [
        (NEW, "as installed"),
        (second, NEW),
        (NEW, second),
        ("as installed", NEW),
    ]
    assert {event.actor_id for event in events} == {admin.user_id}
    assert "put a version of the classifier in use" in words(admin.get("/admin/audit"))


@pytest.mark.both_databases
def test_of_two_administrators_at_once_the_second_is_told(admin: Visitor, clinic: Clinic) -> None:
    keep_fitted_version()
    other = clinic.visitor(clinic.person("admin"))
    assert other.post(f"{PAGE}/use", {"version": NEW, "seen": "0"}).status_code == 303
    late = admin.post(f"{PAGE}/use", {"version": NEW, "seen": "0"})
    assert late.status_code == 409 and "Somebody else has chosen a version in the meantime" in words(late)
    again = admin.post(f"{PAGE}/use", {"version": NEW, "seen": "1"})
    assert again.status_code == 409 and "in use already" in words(again)


@pytest.mark.both_databases
@pytest.mark.parametrize("version", ["", "csss-9+h9", "../../etc", "a\0b", "x" * 10_000])
def test_a_version_that_is_not_there_is_refused(admin: Visitor, version: str) -> None:
    assert admin.post(f"{PAGE}/use", {"version": version, "seen": "0"}).status_code == 422
    assert admin.post(f"{PAGE}/back", {"seen": "0"}).status_code == 409
    assert db.session.scalars(select(ModelChoice)).all() == []


def test_a_setting_wins_over_the_choice_and_the_page_says_so(
    admin: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_fitted_version()
    assert press(admin, "use", version=NEW) == 303
    monkeypatch.setitem(app.config["CSSS"].__dict__, "model", str(MODELS / BASE))
    monkeypatch.setitem(app.config["CSSS"].__dict__, "threshold", 0.6)
    text = words(admin.get(PAGE))
    assert "overrides every choice on this page" in text and "CSSS_THRESHOLD is 0.6" in text
    assert f"In use: {BASE}" in text and "Put" not in text and "Go back" not in text
    assert admin.post(f"{PAGE}/use", {"version": "installed", "seen": "1"}).status_code == 409
    assert scan_jobs.engine().info.version == BASE


def test_only_administrators_compare_and_switch(doctor: Visitor, admin: Visitor) -> None:
    keep_fitted_version()
    assert doctor.get(PAGE).status_code == 403
    assert doctor.post(f"{PAGE}/use", {"version": NEW, "seen": "0"}).status_code == 403
    assert PAGE not in doctor.get("/models").get_data(as_text=True)
    assert PAGE in admin.get("/models").get_data(as_text=True)


def test_staff_read_the_card_of_the_version_in_use(admin: Visitor, doctor: Visitor, clinic: Clinic) -> None:
    keep_fitted_version()
    assert press(admin, "use", version=NEW) == 303
    assert "In use is a version that was fitted to this hospital" in words(doctor.get("/models"))
    card = words(doctor.get(f"/models/{NEW}"))
    assert "Figures on the readings that were held back" in card and "in use" in card
    scan = clinic.scan(Status.AI_ANALYZED, result=result_of(scans(1, 1)[0], NEW))
    assert f"/models/{NEW}" in doctor.get(f"/doctor/scans/{scan.id}").get_data(as_text=True).replace(
        "%2B", "+"
    )


# What reads the scans


def test_the_next_scan_is_read_by_the_version_that_was_put_in_use(clinic: Clinic, admin: Visitor) -> None:
    scan_jobs.warm_up()  # as a worker does that was started before
    keep_fitted_version()
    image = (Path("csss/demo/scans") / "Normal-1.jpg").read_bytes()
    assert press(admin, "use", version=NEW) == 303
    after = _read(clinic, image)
    assert press(admin, "back") == 303
    scan_jobs.between_jobs()
    before = _read(clinic, image)
    assert (before.model_version, after.model_version) == (BASE, NEW)
    row = db.session.scalars(select(Recalibration)).one()
    fitted = row.metrics["hospital"]
    given = np.array([before.probabilities[name] for name in INFO.names])
    bias = [fitted["bias"][name] for name in INFO.names]
    expected = calibrate(given, fitted["temperature"], bias)
    assert np.allclose([after.probabilities[name] for name in INFO.names], expected, atol=1e-6)
    assert after.confidence == pytest.approx(expected.max(), abs=1e-6)
    assert after.top_label == INFO.names[int(expected.argmax())]
    assert after.threshold_used == row.labels["threshold"]
    assert after.uncertain == (expected.max() < row.labels["threshold"]) or after.reason


def _read(clinic: Clinic, image: bytes) -> Prediction:
    scan = clinic.scan(image=image)
    doctor = clinic.person("doctor")
    with transaction():
        analysis.start(scan.id, by=doctor)
    clinic.run_jobs("analyse_scan")
    return db.session.scalars(select(Prediction).where(Prediction.scan_id == scan.id)).one()


def test_a_version_of_a_version_is_one_step_on_the_network(clinic: Clinic, settings: Settings) -> None:
    """What two fits have changed is applied to the network's own output, so nothing is lost in between."""
    keep_fitted_version()
    folder = in_use.folder_of(NEW)
    image = (Path("csss/demo/scans") / "COVID-1.jpg").read_bytes()
    info, base = read_info(folder), Engine.load(default_folder())
    raw = base.predict(image, heatmap=False)
    step = info.temperature / INFO.temperature
    fitted = np.array(info.bias) - np.array(INFO.bias) / step  # what the fit alone has added
    twice = calibrate(np.array(list(raw.probabilities.values())), step, tuple(fitted.tolist()))
    assert np.allclose(list(Engine.load(folder).predict(image).probabilities.values()), twice, atol=1e-9)


@pytest.mark.both_databases
def test_every_machine_makes_the_folder_for_itself(app: Flask, admin: Visitor, settings: Settings) -> None:
    keep_fitted_version()
    folder = settings.instance_folder / "models" / NEW
    assert press(admin, "use", version=NEW) == 303
    shutil.rmtree(folder)  # as on another machine, or after a restored backup
    assert in_use.folder_in_use() == folder and read_info(folder).version == NEW
    shutil.rmtree(folder)
    told = command(settings, "check").output
    assert f"Classifier: {NEW}, made in the instance folder when it is first needed" in told
    assert not folder.exists()
    assert NEW in done(settings, "predict", Path("csss/demo/scans/Normal-1.jpg"))
    assert f"* {NEW}" in done(settings, "models")
    assert f"Classifier: {NEW}, " in command(settings, "check").output
    (folder / "labels.json").write_text((MODELS / BASE / "labels.json").read_text("utf-8"), "utf-8")
    assert NEW in done(settings, "predict", Path("csss/demo/scans/Normal-1.jpg"))  # mended


def test_without_the_network_it_was_made_of_a_version_says_so(
    app: Flask, admin: Visitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keep_fitted_version()
    second = keep_fitted_version(seed=4)
    assert press(admin, "use", version=NEW) == 303
    shutil.rmtree(app.config["CSSS"].instance_folder / "models")
    monkeypatch.setattr(folders, "MODELS", tmp_path)
    assert press(admin, "use", version=second) == 409  # with it no scan could be read
    with pytest.raises(ModelMissing, match=f"{NEW.replace('+', '.')} was made of {BASE}"):
        in_use.folder_in_use()
    assert "The version in use cannot be loaded" in words(admin.get(PAGE))
    assert press(admin, "use", version="installed") == 303
    assert in_use.folder_in_use() == default_folder()
