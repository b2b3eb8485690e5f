"""The second output: what `csss predict` and `csss models` say of findings, and what models without them go on saying."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import csss
from csss.inference import Engine
from csss.inference.cli import models, predict
from csss.inference.labels import LATERAL, NO_FINDING, UNLIKE, check_files, read_info
from csss.paths import MODELS
from tests.findings import HIDDEN, NAMES, model_with_findings

SCANS = sorted((Path(csss.__file__).parent / "demo" / "scans").glob("*.jpg"))
CHEST = next(path for path in SCANS if path.stem.startswith("COVID"))
SHOWN = [each for each in NAMES if each != HIDDEN]


@pytest.fixture(autouse=True)
def _no_model_from_the_environment(monkeypatch):
    monkeypatch.delenv("CSSS_MODEL", raising=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return model_with_findings(
        tmp_path_factory.mktemp("model") / "findings",
        biases={"Effusion": 3, "Mass": 1, "Edema": -4, NO_FINDING: -3},
    )


def asked(*arguments):
    done = CliRunner().invoke(predict, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_model_with_findings_names_those_that_are_shown_with_a_map_for_each(folder):
    check_files(read_info(folder))
    result = Engine.load(folder).predict(CHEST.read_bytes())
    assert list(result.findings) == SHOWN
    assert set(result.finding_maps) == set(SHOWN)
    assert {each.shape for each in result.finding_maps.values()} == {(7, 7)}
    assert result.finding_thresholds == dict.fromkeys((*SHOWN, NO_FINDING), 0.3)
    assert max(result.findings, key=result.findings.get) == "Effusion"
    assert Engine.load(folder).predict(CHEST.read_bytes(), heatmap=False).finding_maps is None


def test_json_gives_findings_by_name_and_that_there_is_none(folder):
    (record,) = json.loads(asked(CHEST, "--json", "--model", folder))
    assert list(record["findings"]) == SHOWN
    assert all(0 <= value <= 1 for value in record["findings"].values())
    assert 0 < record["no_finding"] < 0.3


@pytest.mark.parametrize("name", ["paper-1"])
def test_json_of_a_model_without_findings_says_null(name):
    (record,) = json.loads(asked(CHEST, "--json", "--model", MODELS / name))
    assert (record["findings"], record["no_finding"]) == (None, None)
    assert "Findings" not in asked(CHEST, "--model", MODELS / name)


def test_a_lateral_picture_has_no_findings_and_says_why(tmp_path):
    lateral = model_with_findings(tmp_path / "lateral", view="lateral_chest")
    (record,) = json.loads(asked(CHEST, "--json", "--model", lateral))
    assert record["label"] == "Uncertain"
    assert record["reason"].startswith(LATERAL)
    assert (record["findings"], record["no_finding"]) == (None, None)
    strange = model_with_findings(tmp_path / "none", view="none")
    assert json.loads(asked(CHEST, "--json", "--model", strange))[0]["reason"].startswith(UNLIKE)


def test_the_table_lists_findings_below_the_classes_most_probable_first(folder):
    lines = asked(CHEST, "--model", folder).splitlines()
    heading = next(number for number, line in enumerate(lines) if "no diagnosis" in line)
    assert heading > next(number for number, line in enumerate(lines) if "Viral_Pneumonia" in line)
    below = lines[heading + 1 : heading + 1 + len(SHOWN) + 1]
    assert below[0].split()[:2] == ["*", "Effusion"] and below[1].split()[:2] == ["*", "Mass"]
    assert below[-2].split()[0] == "Edema", "no mark below its threshold"
    assert below[-1].split()[0] == NO_FINDING


def test_the_list_of_models_says_which_names_findings(folder, monkeypatch):
    monkeypatch.setenv("CSSS_MODEL", str(folder))
    records = {each["version"]: each for each in json.loads(CliRunner().invoke(models, ["--json"]).output)}
    assert records["test-findings"]["names_findings"]
    assert not records["paper-1"]["names_findings"]
    heading, *rows = CliRunner().invoke(models, []).output.splitlines()
    assert heading.endswith("names findings")
    assert next(row for row in rows if "test-findings" in row).endswith("yes")
    assert next(row for row in rows if " paper-1 " in row).endswith("no")
