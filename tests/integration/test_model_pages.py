"""Staff read what the classifier can do and where it fails, inside the application."""

import json
import shutil
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from csss.inference.labels import read_info
from csss.paths import MODELS
from csss.scans.states import Status
from csss.web import model_cards
from csss.web.markdown import render
from tests.factories import Clinic, reading
from tests.visitor import Visitor, words

ACTIVE = read_info().version


@pytest.fixture(autouse=True)
def _forget() -> None:
    """Models are looked up once a process; here each test has its own."""
    model_cards._folder_of.cache_clear()
    model_cards._card_html.cache_clear()


@pytest.fixture
def elsewhere(tmp_path: Path, app: Flask, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder that lies elsewhere and is named by CSSS_MODEL; a card that means harm."""
    folder = tmp_path / "own-9"
    shutil.copytree(MODELS / ACTIVE, folder)
    labels = json.loads((folder / "labels.json").read_text("utf-8"))
    (folder / "labels.json").write_text(json.dumps(labels | {"version": "own-9"}), "utf-8")
    (folder / "MODEL_CARD.md").write_text(
        "# Model card: own-9\n\n## Harm\n\n<script>alert(1)</script> <b onclick=x>bold</b> "
        "[press](javascript:alert(1)) ![far](https://example.org/x.png) ![up](../../csss.db) ![Plot](confusion.png)\n",
        "utf-8",
    )
    object.__setattr__(app.config["CSSS"], "model", str(folder))
    return folder


def page(visitor: Visitor, address: str) -> BeautifulSoup:
    response = visitor.get(address)
    assert response.status_code == 200, address
    return BeautifulSoup(response.get_data(as_text=True), "html.parser")


@pytest.mark.parametrize("role", ["doctor", "pharmacist", "admin"])
def test_staff_see_the_installed_models_and_which_one_is_in_use(
    role: str, request: pytest.FixtureRequest
) -> None:
    visitor: Visitor = request.getfixturevalue(role)
    html = page(visitor, "/models")
    rows = {row.select_one("td").get_text(strip=True): row for row in html.select("tbody tr")}  # type: ignore[union-attr]
    assert set(rows) == {folder.parent.name for folder in MODELS.glob("*/labels.json")}
    assert next(iter(rows)) == ACTIVE
    assert "in use" in rows[ACTIVE].get_text()
    figures = json.loads((MODELS / ACTIVE / "metrics.json").read_text("utf-8"))["test"]
    assert f"{figures['macro']['f1']:.3f}" in rows[ACTIVE].get_text()
    assert html.select_one(f'a[href="/models/{ACTIVE}"]') is not None


def test_the_card_is_the_one_of_the_model_folder_with_its_plots(doctor: Visitor) -> None:
    html = page(doctor, f"/models/{ACTIVE}")
    text = " ".join((MODELS / ACTIVE / "MODEL_CARD.md").read_text("utf-8").split())
    for heading in html.select("#model-card h2, #model-card h3"):
        assert f"# {heading.get_text(strip=True)}" in text
    assert len(html.select("#model-card h2")) >= 9
    assert [heading.get_text(strip=True) for heading in html("h1")] == [f"Model {ACTIVE}"]
    assert "Not for clinical use without prospective validation." in words(doctor.get(f"/models/{ACTIVE}"))
    pictures = [str(picture["src"]) for picture in html.select("#model-card img")]
    assert pictures == [
        f"/models/{ACTIVE}/{name}.png" for name in ("confusion", "learning", "reliability", "coverage")
    ]
    for address in pictures:
        plot = doctor.get(address)
        assert (plot.status_code, plot.mimetype) == (200, "image/png")
        assert plot.data[:4] == b"\x89PNG"
    for region in html.select('#model-card [role="region"]'):
        assert region["tabindex"] == "0"  # a table too wide for a phone scrolls with the keyboard, too
        assert region.find("table") is not None
    labels = [str(region["aria-label"]) for region in html.select('#model-card [role="region"]')]
    assert len(labels) == len(set(labels)) >= 10


def test_patients_do_not_see_models(patient: Visitor, nobody: Visitor) -> None:
    for address in ("/models", f"/models/{ACTIVE}", f"/models/{ACTIVE}/confusion.png"):
        assert patient.get(address).status_code == 403
        assert nobody.get(address).status_code == 302
    assert "/models" not in patient.get("/patient/").get_data(as_text=True)


@pytest.mark.parametrize(
    "address",
    [
        "/models/none-1",
        f"/models/{ACTIVE}/none.png",
        f"/models/{ACTIVE}/..%2Fconfusion.png",
        "/models/../x.png",
    ],
)
def test_what_is_not_there_is_a_404(doctor: Visitor, address: str) -> None:
    assert doctor.get(address).status_code == 404


def test_nothing_in_a_card_can_run_or_fetch(doctor: Visitor, elsewhere: Path) -> None:
    html = page(doctor, "/models/own-9")
    inside = html.select_one("#model-card")
    assert inside is not None
    assert inside.find(["script", "b"]) is None
    assert "<script>alert(1)</script>" in inside.get_text()
    assert not [link for link in inside("a") if "javascript" in str(link.get("href"))]
    assert [str(picture["src"]) for picture in inside("img")] == ["/models/own-9/confusion.png"]
    assert "far" in inside.get_text() and "up" in inside.get_text()


def test_a_model_elsewhere_is_in_use_and_listed_beside_the_others(doctor: Visitor, elsewhere: Path) -> None:
    text = words(doctor.get("/models"))
    assert "own-9" in text and ACTIVE in text
    (elsewhere / "MODEL_CARD.md").unlink()
    model_cards._folder_of.cache_clear()
    assert "This model has no card" in words(doctor.get("/models/own-9"))
    (elsewhere / "labels.json").write_text("{", "utf-8")
    assert "cannot be used" in words(doctor.get("/models"))


def test_without_any_model_the_list_says_what_to_do(doctor: Visitor, app: Flask, tmp_path: Path) -> None:
    object.__setattr__(app.config["CSSS"], "model", str(tmp_path / "nothing"))
    assert "is not a model folder" in words(doctor.get("/models"))


@pytest.mark.parametrize("role", ["doctor", "pharmacist", "admin"])
def test_a_prediction_leads_to_the_card_of_the_model_that_made_it(
    clinic: Clinic, role: str, request: pytest.FixtureRequest
) -> None:
    visitor: Visitor = request.getfixturevalue(role)
    scan = clinic.scan(Status.REPORT_READY, result=reading(model_version=ACTIVE))
    address = f"/{role}/scans/{scan.id}"
    assert page(visitor, address).select_one(f'a[href="/models/{ACTIVE}"]') is not None


def test_a_model_that_is_no_longer_installed_is_named_without_a_link(clinic: Clinic, doctor: Visitor) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=reading(model_version="csss-0"))
    html = page(doctor, f"/doctor/scans/{scan.id}")
    assert "Model csss-0" in html.get_text()
    assert html.select_one('a[href="/models/csss-0"]') is None


def test_a_patient_gets_no_link_to_the_card(clinic: Clinic) -> None:
    scan = clinic.scan(Status.REPORT_READY, result=reading(model_version=ACTIVE))
    clinic.run_jobs("render_report")
    patient = clinic.visitor(scan.patient.user)
    assert "/models" not in patient.get(f"/patient/scans/{scan.id}").get_data(as_text=True)


def test_every_page_of_staff_leads_to_the_models(doctor: Visitor) -> None:
    footer = page(doctor, "/doctor/").select_one("footer a[href='/models']")
    assert footer is not None


def test_tables_and_text_come_out_as_they_went_in() -> None:
    html = BeautifulSoup(
        render(
            "## One\n\n| a | b |\n| --- | --- |\n| 1 < 2 | **x** |\n",
            lambda name: None,
            "{heading}: {number}",
        ),
        "html.parser",
    )
    region = html.select_one("div[role=region]")
    assert region is not None and region["aria-label"] == "One: 1"
    assert [cell.get_text() for cell in html("td")] == ["1 < 2", "x"]
    assert [cell["scope"] for cell in html("th")] == ["col", "col"]
