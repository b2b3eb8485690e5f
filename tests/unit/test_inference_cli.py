"""`csss predict`: order, errors, JSON, heat maps."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

import csss
from csss.inference import Engine
from csss.inference.cli import models, predict, predict_paths
from csss.inference.labels import default_folder, read_info

SCANS = sorted((Path(csss.__file__).parent / "demo" / "scans").glob("*.jpg"))
KEYS = {
    "path",
    "label",
    "confidence",
    "probabilities",
    "uncertain",
    "reason",
    "model_version",
    "findings",
    "no_finding",
}


@pytest.fixture(autouse=True)
def _no_model_from_the_environment(monkeypatch):
    monkeypatch.delenv("CSSS_MODEL", raising=False)


@pytest.fixture
def broken(tmp_path):
    file = tmp_path / "broken.png"
    file.write_text("no picture")
    return file


def run(*arguments):
    return CliRunner().invoke(predict, [str(argument) for argument in arguments])


def test_json_is_one_array_in_the_order_given():
    wanted = [SCANS[3], SCANS[0], SCANS[3]]
    done = run(*wanted, "--json")
    assert done.exit_code == 0, done.output
    records = json.loads(done.output)
    assert [record["path"] for record in records] == [str(path) for path in wanted]
    assert all(set(record) == KEYS for record in records)


def test_a_bad_file_does_not_stop_the_rest(broken, tmp_path):
    done = run(broken, SCANS[0], tmp_path / "absent.png", "--json")
    assert done.exit_code == 1
    first, second, third = json.loads(done.output)
    assert set(first) == {"path", "error"}
    assert first["error"].endswith(".")
    assert second["label"]
    assert "No such file" in third["error"]


def test_a_folder_stands_for_the_pictures_inside(tmp_path, broken):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b.JPG").write_bytes(SCANS[0].read_bytes())
    (tmp_path / "a.jpg").write_bytes(SCANS[1].read_bytes())
    (tmp_path / "notes.txt").write_text("no picture, and not asked for")
    names = [Path(record["path"]).name for record in predict_paths(Engine.load(), [tmp_path])]
    assert names == ["a.jpg", "broken.png", "b.JPG"]


def test_heat_maps_are_written_and_never_over_each_other(tmp_path):
    folder = tmp_path / "maps"
    done = run(SCANS[0], SCANS[0], "--heatmap", folder)
    assert done.exit_code == 0, done.output
    stem = SCANS[0].stem
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        f"{stem}{number}-{kind}" for number in ("", "-2") for kind in ("heatmap.png", "overlay.jpg")
    )
    map_width, map_height = Image.open(folder / f"{stem}-heatmap.png").size
    width, height = Image.open(SCANS[0]).size
    assert map_width * height == map_height * width, "it must lie over the scan in its proportions"


def test_a_picture_of_another_kind_than_it_is_said_to_be_is_uncertain():
    covid = next(path for path in SCANS if path.stem.startswith("COVID"))
    plain, same, other = (
        json.loads(run(covid, "--json", *more).output)[0]
        for more in ((), ("--kind", "chest_xray"), ("--kind", "cardiac_mri"))
    )
    assert plain == same and not plain["uncertain"]
    assert other["uncertain"] and "the kind or the reading is wrong" in other["reason"]
    assert other["probabilities"] == plain["probabilities"]
    assert run(covid, "--kind", "ultrasound").exit_code == 2


def test_people_get_a_table(broken):
    done = run(SCANS[0], broken)
    assert done.exit_code == 1
    assert "Viral_Pneumonia" in done.output
    assert "Not read." in done.output


def test_a_missing_model_is_one_sentence(tmp_path):
    done = run(SCANS[0], "--model", tmp_path)
    assert done.exit_code == 1
    assert "not a model folder" in done.output
    assert "Traceback" not in done.output


def test_every_installed_model_is_listed_with_its_figures_and_one_is_active():
    done = CliRunner().invoke(models, ["--json"])
    assert done.exit_code == 0, done.output
    records = json.loads(done.output)
    assert [r["version"] for r in records if r["active"]] == [read_info().version]
    assert {r["version"] for r in records} == {
        f.parent.name for f in default_folder().parent.glob("*/labels.json")
    }
    for record in records:
        test = json.loads((Path(record["folder"]) / "metrics.json").read_text())["test"]
        assert record["macro_f1"] == test["macro"]["f1"]
        assert record["accuracy"] == test["accuracy"]
    table = CliRunner().invoke(models, []).output
    assert sum(line.startswith("* ") for line in table.splitlines()) == 1


def test_a_model_from_elsewhere_is_listed_without_figures(tmp_path, monkeypatch):
    (tmp_path / "labels.json").write_bytes((default_folder() / "labels.json").read_bytes())
    monkeypatch.setenv("CSSS_MODEL", str(tmp_path))
    records = json.loads(CliRunner().invoke(models, ["--json"]).output)
    assert records[-1]["folder"] == str(tmp_path)
    assert records[-1]["active"]
    assert records[-1]["macro_f1"] is None
    assert not any(record["active"] for record in records[:-1])
