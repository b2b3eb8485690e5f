"""A fitted version in trouble: damaged folders, two commands at once, a full disk, and lists that people have changed."""

import errno
import uuid
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from csss.config import Settings
from csss.database import db, transaction
from csss.errors import StateConflict
from csss.inference import ModelCorrupt, ModelMissing
from csss.inference.labels import check_files, default_folder, read_info
from csss.jobs import scan_jobs
from csss.recalibration import folders, in_use, services
from csss.recalibration.models import Recalibration
from tests.factories import Clinic
from tests.hospital import keep_fitted_version, readings, scans, verify
from tests.integration.command_line import refused
from tests.integration.test_recalibration import BASE, NEW, PAGE, press
from tests.visitor import Visitor, words


@pytest.fixture(autouse=True)
def _forget() -> None:
    """The folders of all tests lie at one place."""
    scan_jobs.loaded.cache_clear()


def put_in_use(admin: Visitor, settings: Settings) -> Path:
    keep_fitted_version()
    assert press(admin, "use", version=NEW) == 303
    return settings.instance_folder / "models" / NEW


# The folder


@pytest.mark.parametrize("name", ["model.tflite", "head.npz", "labels.json", "MODEL_CARD.md"])
@pytest.mark.parametrize("how", ["gone", "empty", "no text"])
def test_a_folder_that_lost_a_file_is_mended(
    app: Flask, admin: Visitor, settings: Settings, name: str, how: str
) -> None:
    """After a disk was full, the power went, or somebody tidied up."""
    folder = put_in_use(admin, settings)
    if how == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"" if how == "empty" else b"\xff\xfe\x00")
        app.extensions.pop("csss_fitted_models", None)  # as a process that begins
    found = in_use.folder_in_use()
    check_files(read_info(found))
    assert read_info(found).version == NEW and (folder / "MODEL_CARD.md").read_text("utf-8").startswith("#")


def test_a_full_disk_is_told_in_a_sentence_and_the_way_out_stays_open(
    app: Flask, admin: Visitor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put_in_use(admin, settings)
    for file in folder.iterdir():
        file.unlink()

    def full(path: Path, _content: bytes) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(folders, "write_private", full)
    with pytest.raises(ModelMissing, match=r"cannot be made: No space left on device\. Make room"):
        in_use.folder_in_use()
    assert "No space left on device" in words(admin.get(PAGE))
    assert press(admin, "use", version="installed") == 303
    assert list(settings.instance_folder.glob(".model-*")) == []


@pytest.mark.parametrize("named", ["../../elsewhere", "/tmp/elsewhere", "..", "a/b", "", "a\0b", None])
@pytest.mark.parametrize("field", ["version", "model", "head"])
def test_labels_that_were_tampered_with_lead_to_no_other_place(
    app: Flask, settings: Settings, named: str | None, field: str
) -> None:
    keep_fitted_version()
    labels = dict(db.session.scalars(select(Recalibration.labels)).one())
    labels[field] = named if field == "version" else {**labels[field], "file": named}
    before = set(settings.instance_folder.rglob("*"))
    for damaged in (labels, {}):
        with pytest.raises(ModelCorrupt, match="What the database keeps of a version is damaged"):
            folders.make_folder(settings.instance_folder, damaged, {}, "")
    assert set(settings.instance_folder.rglob("*")) == before


def test_nobody_goes_back_to_a_version_that_cannot_read(
    app: Flask, admin: Visitor, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = put_in_use(admin, settings)
    assert press(admin, "use", version="installed") == 303
    for file in folder.iterdir():
        file.unlink()
    monkeypatch.setattr(folders, "MODELS", tmp_path)
    answer = admin.post(f"{PAGE}/back", {"seen": "2"})
    assert answer.status_code == 409 and f"was made of {BASE}" in words(answer)
    assert in_use.folder_in_use() == default_folder()


def test_a_patient_and_a_doctor_neither_see_nor_choose_a_version(patient: Visitor, doctor: Visitor) -> None:
    for visitor in (patient, doctor):
        assert visitor.get(PAGE).status_code == 403
        for step in ("use", "back"):
            assert visitor.post(f"{PAGE}/{step}", {"version": "installed", "seen": "0"}).status_code == 403


@pytest.mark.parametrize("seen", ["-1", "1", "9" * 5000, "0.0", "x", "", "١"])
def test_a_forged_number_of_what_was_seen_changes_nothing(admin: Visitor, seen: str) -> None:
    keep_fitted_version()
    assert admin.post(f"{PAGE}/use", {"version": NEW, "seen": seen}).status_code == 409
    without_token = {"version": NEW, "seen": "0", "csrf_token": "forged"}
    assert admin.post(f"{PAGE}/use", without_token).status_code == 400
    assert services.newest_choice() is None


# Two at once


@pytest.mark.both_databases
def test_of_two_commands_at_once_the_second_changes_nothing(app: Flask, settings: Settings) -> None:
    first, second = (services.fitted_to(list(readings(seed, 400)), default_folder(), 0.85) for seed in (3, 4))
    assert first.labels["version"] == second.labels["version"] == NEW
    with transaction():
        services.keep(first)
    with pytest.raises(StateConflict, match="Another csss recalibrate has made"), transaction():
        services.keep(second)
    assert db.session.scalars(select(Recalibration)).one().labels == first.labels


def test_a_command_that_comes_second_leaves_the_folder_of_the_first_alone(
    clinic: Clinic, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else scans would be read for a moment with figures that nobody has put in use."""
    late = services.fitted_to(list(readings(4, 400)), default_folder(), 0.85)
    keep_fitted_version()
    labels = (in_use.folder_of(NEW) / "labels.json").read_bytes()
    monkeypatch.setattr(services, "fit_version", lambda *_args, **_more: late)
    assert "Nothing was kept" in refused(settings, "recalibrate")
    assert (settings.instance_folder / "models" / NEW / "labels.json").read_bytes() == labels


# Lists


@pytest.fixture
def open_scan(clinic: Clinic) -> uuid.UUID:
    unsure = next(scan for scan in scans(7, 50) if not scan.is_answered and scan.kind == "chest_xray")
    return verify(clinic, unsure, clinic.person("patient"), clinic.person("doctor"))


def test_a_list_that_was_filled_in_is_not_overwritten(
    settings: Settings, tmp_path: Path, open_scan: uuid.UUID
) -> None:
    file = tmp_path / "classes.csv"
    file.write_text(f"scan,class\n{open_scan},Normal\n", "utf-8")
    assert "Choose another name" in refused(settings, "recalibrate", "--unnamed", file)
    assert file.read_text("utf-8") == f"scan,class\n{open_scan},Normal\n"


@pytest.mark.parametrize(
    ("template", "encoding"),
    [("Scan;Class\r\n{};Normal\r\n", "utf-8-sig"), ("scan\tclass\n{}\tnormal\n", "utf-8")],
)
def test_lists_of_spreadsheet_programs_are_read(
    settings: Settings, tmp_path: Path, open_scan: uuid.UUID, template: str, encoding: str
) -> None:
    file = tmp_path / "classes.csv"
    file.write_bytes(template.format(open_scan).encode(encoding))
    assert "- 1 the class stands in the list" in refused(settings, "recalibrate", "--classes", file)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("scan,class\nx,Normal\n".encode("utf-16"), "Save the sheet as “CSV UTF-8”"),
        (b"PK\x03\x04\xff\xfe\x00", "Save the sheet as “CSV UTF-8”"),
        (b"scan,class\n" + b"x" * 200_000 + b",Normal\n", "field larger than field limit"),
        (b"x" * 20_000_001, "The file is too large"),
        (b"", "needs the columns scan and class"),
        (b"class,scan\nNormal\n", "is no scan"),
        (b"scan,class\nS\x1b]0;owned\x07,Normal\n", "is no scan"),
        (b"scan,class\n{scan},Normal\n{scan},COVID\n", "an earlier line names another class"),
        (b"scan,class\n{scan},a\x1b[2Jb\n", "is no class of this kind"),
    ],
    ids=[
        "UTF-16",
        "ZIP",
        "long cell",
        "huge",
        "empty",
        "short line",
        "no scan",
        "twice",
        "terminal commands",
    ],
)
def test_a_list_with_mistakes_is_refused_in_a_sentence(
    settings: Settings, tmp_path: Path, open_scan: uuid.UUID, content: bytes, sentence: str
) -> None:
    file = tmp_path / "classes.csv"
    file.write_bytes(content.replace(b"{scan}", str(open_scan).encode()))
    told = refused(settings, "recalibrate", "--classes", file)
    assert sentence in " ".join(told.split()) and "\x1b" not in told


@pytest.mark.parametrize(
    "metrics",
    [{}, {"hospital": None}, {"hospital": {"after": {}}}, {"hospital": "<script>alert(1)</script>"}, [], 7],
    ids=["nothing", "none", "half", "markup", "a list", "a number"],
)
def test_damaged_figures_of_a_version_do_not_take_the_page_of_versions_away(
    app: Flask, admin: Visitor, metrics: object
) -> None:
    assert keep_fitted_version() == NEW
    with transaction():
        row = db.session.scalars(select(Recalibration).where(Recalibration.version == NEW)).one()
        damaged = Recalibration(
            number=row.number + 1, version=f"{BASE}+h2", labels=row.labels, metrics=metrics, card=row.card
        )
        db.session.add(damaged)
    answer = admin.get(PAGE)
    assert answer.status_code == 200 and "<script>alert" not in answer.get_data(as_text=True)
    assert "The figures of this version are damaged: do not put it in use." in words(answer)
    assert NEW in words(answer)
