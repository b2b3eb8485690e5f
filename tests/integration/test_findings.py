"""Findings to look for: named beside the classifier's answer with a heat map for each, never as a diagnosis."""

import io
import re
import uuid
from dataclasses import replace

import numpy as np
import pytest
from bs4 import BeautifulSoup, Tag
from flask import current_app
from PIL import Image
from sqlalchemy import text

from csss.audit.models import AuditEvent
from csss.database import db, transaction
from csss.inference import Result
from csss.inference.heatmap import heatmap_png
from csss.inference.labels import LATERAL, read_info
from csss.people.models import User
from csss.recalibration.readings import Says, verified_readings
from csss.reports.build import report_context
from csss.reports.context import ReportContext
from csss.reports.document import report_html
from csss.scans import findings, services
from csss.scans.models import Scan
from csss.scans.states import ScanKind, Status
from tests.factories import Clinic, reading
from tests.findings import NAMES, reading_with_findings
from tests.integration.doctor import LOOKED, url
from tests.integration.pages import fresh
from tests.visitor import Visitor, words

FOUND = reading_with_findings(Effusion=0.62, Mass=0.41)
NOTHING = reading_with_findings(no_finding=0.81)
OPEN = reading_with_findings(no_finding=0.2)
NO_DIAGNOSIS = "no diagnosis"


def block(visitor: Visitor, scan: Scan, query: str = "") -> Tag:
    return visitor.page(f"{url(scan)}{query}").select_one(".findings")


# Kept with the prediction


@pytest.mark.both_databases
def test_what_the_second_output_says_is_kept_with_the_prediction(clinic: Clinic) -> None:
    likely = {"Effusion": 0.9, "Mass": 0.8, "Nodule": 0.7, "Edema": 0.6, "Fibrosis": 0.5, "Pneumonia": 0.4}
    said = reading_with_findings(**likely)
    kept = fresh(clinic.scan(Status.AI_ANALYZED, result=said).id).prediction
    assert kept is not None
    assert (kept.view, kept.findings, kept.no_finding) == (said.view, said.findings, said.no_finding)
    assert kept.finding_thresholds == said.finding_thresholds
    assert kept.finding_maps is not None and said.finding_maps is not None
    assert set(kept.finding_maps) == set(list(likely)[: findings.MAPS]), "maps of the most probable only"
    for name, packed in kept.finding_maps.items():
        assert len(packed) == 68
        back = findings.unpacked(packed)
        assert back is not None and back.shape == (7, 7)
        assert np.abs(back - said.finding_maps[name]).max() <= 0.5 / 255 + 1e-6


@pytest.mark.both_databases
def test_a_model_without_findings_leaves_these_columns_empty(clinic: Clinic, doctor: Visitor) -> None:
    scan = clinic.scan(Status.AI_ANALYZED)
    names = ("view", "findings", "no_finding", "finding_thresholds", "finding_maps")
    row = db.session.execute(text(f"SELECT {', '.join(names)} FROM predictions")).one()
    assert tuple(row) == (None,) * 5, "NULL, not the word null"
    assert block(doctor, scan) is None
    assert "Findings to look for" not in words(doctor.get(url(scan)))


@pytest.mark.parametrize("broken", ["", "AA==", "B!", "BwECAw=="])
def test_a_map_that_cannot_be_read_is_no_error(broken: str) -> None:
    assert findings.unpacked(broken) is None


# The reading page


def test_findings_from_their_thresholds_on_are_listed_most_probable_first(
    clinic: Clinic, doctor: Visitor
) -> None:
    shown = block(doctor, clinic.scan(Status.AI_ANALYZED, result=FOUND))
    likely = [words(each) for each in shown.select(".findings__likely > li")]
    assert len(likely) == 2
    assert likely[0].startswith("Pleural effusion 62.0 %") and likely[1].startswith("Mass 41.0 %")
    assert NO_DIAGNOSIS in words(shown)
    rest = shown.select_one("details")
    assert not rest.has_attr("open")
    rows = [words(each) for each in rest.select("li")]
    assert len(rows) == len(NAMES) - 1 - 2 + 1, "those below, without the hidden one, and that there is none"
    values = [float(re.search(r"([\d.]+) %", row)[1]) for row in rows[:-1]]
    assert values == sorted(values, reverse=True)


def test_at_its_threshold_a_finding_counts(clinic: Clinic, doctor: Visitor) -> None:
    shown = block(
        doctor, clinic.scan(Status.AI_ANALYZED, result=reading_with_findings(Effusion=0.3, Mass=0.2999))
    )
    assert [each.get_text() for each in shown.select(".findings__likely .findings__name")] == [
        "Pleural effusion"
    ]


def test_no_finding_is_said_only_where_none_counts_and_its_own_threshold_is_reached(
    clinic: Clinic, doctor: Visitor
) -> None:
    assert "No finding likely 81.0 %" in words(block(doctor, clinic.scan(Status.AI_ANALYZED, result=NOTHING)))
    neither = words(block(doctor, clinic.scan(Status.AI_ANALYZED, result=OPEN)))
    assert "No finding likely" not in neither and "neither does “no finding”" in neither
    both = words(
        block(doctor, clinic.scan(Status.AI_ANALYZED, result=reading_with_findings(no_finding=0.8, Mass=0.5)))
    )
    assert "No finding likely" not in both and "Mass" in both


@pytest.mark.parametrize(("result", "first"), [(FOUND, "Pleural effusion"), (NOTHING, "No finding likely")])
def test_where_the_classes_say_neither_ill_nor_healthy_this_comes_first(
    clinic: Clinic, doctor: Visitor, result: Result, first: str
) -> None:
    said = words(
        doctor.page(url(clinic.scan(Status.AI_ANALYZED, result=result))).select_one("#classifier .classifier")
    )
    assert said.index(first) < said.index("Chest X-ray, no listed disease recognised")
    named = reading_with_findings("COVID", Effusion=0.62, no_finding=0.81)
    said = words(
        doctor.page(url(clinic.scan(Status.AI_ANALYZED, result=named))).select_one("#classifier .classifier")
    )
    assert said.index("COVID-19") < said.index("Findings to look for")


def test_an_uncertain_answer_has_its_findings_after_it(clinic: Clinic, doctor: Visitor) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=reading_with_findings(confidence=0.5, Mass=0.5))
    said = words(doctor.page(url(scan)).select_one("#classifier .classifier"))
    assert said.index("Uncertain") < said.index("Mass 50.0 %")


def test_a_lateral_picture_says_why_it_has_none_and_teaches_nothing(clinic: Clinic, doctor: Visitor) -> None:
    refused = reading(
        "COVID", 0.9, label="Uncertain", uncertain=True, reason=LATERAL, view={"lateral_chest": 1.0}
    )
    refused = replace(refused, model_version=read_info().version)
    scan = clinic.scan(Status.AI_ANALYZED, result=refused)
    page = doctor.page(url(scan))
    assert LATERAL in words(page.select_one("#classifier")) and page.select_one(".findings") is None
    sent = LOOKED | {"read_myself": "y", "diagnosis": "COVID-19"}
    assert doctor.post(url(scan, "verify"), sent).status_code == 303
    assert [each.says for each in verified_readings(read_info())] == [Says.UNLIKE]


def test_a_scan_that_turns_out_to_be_no_chest_x_ray_has_no_findings(clinic: Clinic, doctor: Visitor) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=FOUND)
    by = clinic.person("doctor")
    with transaction():
        services.correct_kind(scan.id, was=ScanKind.CHEST_XRAY, became=ScanKind.CARDIAC_MRI, by=by)
    assert block(doctor, scan) is None
    assert doctor.get(f"/scans/{scan.id}/heatmap/Effusion").status_code == 404


# Heat maps


def test_each_listed_finding_has_a_heat_map_of_its_own(clinic: Clinic, doctor: Visitor) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=FOUND)
    links = block(doctor, scan).select("a[data-heat]")
    assert [each["data-heat"] for each in links] == [
        f"/scans/{scan.id}/heatmap/{each}" for each in ("Effusion", "Mass")
    ]
    layers = [doctor.get(each["data-heat"]) for each in links]
    assert {each.mimetype for each in layers} == {"image/png"}
    assert layers[0].data != layers[1].data
    with Image.open(io.BytesIO(layers[0].data)) as opened:
        assert abs(opened.width / opened.height - scan.width / scan.height) < 0.02
        shown = np.asarray(opened.convert("RGBA"), float)
    cells = FOUND.finding_maps["Effusion"]  # type: ignore[index]
    with Image.open(io.BytesIO(heatmap_png(cells, scan.width, scan.height))) as opened:
        assert np.abs(np.asarray(opened.convert("RGBA"), float) - shown).mean() < 1, (
            "8 bits lose nothing one sees"
        )


def test_without_javascript_the_link_shows_the_layer_on_the_page(clinic: Clinic, doctor: Visitor) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=FOUND)
    plain = doctor.page(url(scan))
    assert f"/scans/{scan.id}/heatmap/" not in str(plain.select_one(".viewer")), (
        "fetched only when it is asked for"
    )
    link = plain.select_one(".findings a[data-heat]")
    page = doctor.page(link["href"])
    layer = page.select_one(".viewer__layer")
    assert layer["src"] == link["data-heat"]
    assert page.select_one("[data-heat-switch]").has_attr("checked")
    assert "Show heat map Pleural effusion" in words(page.select_one(".viewer__heat"))
    current = page.select_one(".findings a[aria-current]")
    assert current["data-heat"] == link["data-heat"]
    assert current["href"] == url(scan), "once more, and it is gone"


def test_the_scan_beside_stays_when_a_map_is_shown(clinic: Clinic, doctor: Visitor) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=FOUND)
    other = clinic.scan(patient=db.session.get_one(User, scan.patient.user_id))
    link = block(doctor, scan, f"?compare={other.id}").select_one("a[data-heat]")
    page = doctor.page(link["href"])
    assert page.select_one(f"#viewer-{other.id}") is not None


@pytest.mark.parametrize("name", ["Hernia", "Edema", "No_Finding", "effusion", "..", "%00", "Effusion/"])
def test_a_finding_without_a_map_does_not_exist(clinic: Clinic, doctor: Visitor, name: str) -> None:
    scan = clinic.scan(Status.AI_ANALYZED, result=FOUND)
    assert doctor.get(f"/scans/{scan.id}/heatmap/{name}").status_code in ({400} if name == "%00" else {404})
    if "/" not in name and name != "%00":
        assert doctor.get(f"{url(scan)}?heat={name}").status_code == 404


def test_a_map_is_seen_by_whom_the_heat_map_is_and_that_is_recorded(
    clinic: Clinic, doctor: Visitor, pharmacist: Visitor, admin: Visitor, patient: Visitor
) -> None:
    own = db.session.get_one(User, patient.user_id)
    waiting = clinic.scan(Status.DOCTOR_VERIFIED, patient=own, result=FOUND).id
    released = clinic.scan(Status.REPORT_READY, patient=own, result=FOUND).id
    another = clinic.scan(Status.REPORT_READY, result=FOUND).id
    clinic.run_jobs("render_report")

    def asks(visitor: Visitor, scan_id: uuid.UUID) -> int:
        return visitor.get(f"/scans/{scan_id}/heatmap/Effusion").status_code

    for visitor in (doctor, pharmacist, admin):
        assert [asks(visitor, each) for each in (waiting, released)] == [200, 200]
        assert asks(visitor, uuid.uuid4()) == 404
    assert [asks(patient, each) for each in (waiting, released, another)] == [404, 200, 404]
    assert asks(Visitor(clinic.app), released) == 302
    seen = (
        db.session.query(AuditEvent).filter_by(action="scan.heatmap_viewed", subject_id=str(released)).count()
    )
    assert seen == 4


# Other readers


def test_pharmacist_and_administrator_read_them_too(
    clinic: Clinic, pharmacist: Visitor, admin: Visitor
) -> None:
    scan = clinic.scan(Status.PHARMACIST_COMPLETED, result=FOUND)
    for visitor, where in ((pharmacist, "pharmacist"), (admin, "admin")):
        said = words(visitor.page(f"/{where}/scans/{scan.id}").select_one("#classifier .findings"))
        assert "Pleural effusion 62.0 %" in said and NO_DIAGNOSIS in said


def test_the_patient_reads_nothing_of_them_before_the_release_and_then_only_unfolded(
    clinic: Clinic, patient: Visitor
) -> None:
    own = db.session.get_one(User, patient.user_id)
    waiting = clinic.scan(Status.PHARMACIST_COMPLETED, patient=own, result=FOUND)
    for answer in (
        patient.get(f"/patient/scans/{waiting.id}"),
        patient.fragment(f"/patient/scans/{waiting.id}"),
    ):
        html = answer.get_data(as_text=True)
        assert answer.status_code == 200
        for word in ("ffusion", "62.0", "inding likely", "to look for", "heatmap"):
            assert word not in html
    released = clinic.scan(Status.REPORT_READY, patient=own, result=FOUND)
    clinic.run_jobs("render_report")
    page = patient.page(f"/patient/scans/{released.id}")
    shown = page.select_one(".findings")
    folded = shown.find_parent("details")
    assert "Pleural effusion" in words(shown) and NO_DIAGNOSIS in words(shown)
    assert folded is not None and not folded.has_attr("open")
    folded.decompose()
    assert "Pleural effusion" not in words(page), "nowhere else"


def test_the_report_lists_them_as_the_output_of_the_classifier(clinic: Clinic) -> None:
    scan = db.session.get_one(Scan, clinic.scan(Status.PHARMACIST_COMPLETED, result=FOUND).id)
    context = report_context(scan, report_id="r", version=1)
    assert [each.human for each in context.prediction.findings] == ["Pleural effusion", "Mass"]
    said = _report(context)
    assert "Pleural effusion 62.0 % (threshold 30.0 %)" in said
    assert "output of the classifier, not a diagnosis" in said
    assert "Edema" not in said, "those below their thresholds are left out"
    nothing = db.session.get_one(Scan, clinic.scan(Status.PHARMACIST_COMPLETED, result=NOTHING).id)
    assert "No finding likely 81.0 % (threshold 30.0 %)" in _report(
        report_context(nothing, report_id="r", version=1)
    )
    old = db.session.get_one(Scan, clinic.scan(Status.PHARMACIST_COMPLETED).id)
    assert "Findings to look for" not in _report(report_context(old, report_id="r", version=1))


def _report(context: ReportContext) -> str:
    html = report_html(context, current_app.jinja_env)
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())
