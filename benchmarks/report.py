"""Measure report rendering for `make bench`, with an invented patient and a drawn picture."""

from __future__ import annotations

import io
import statistics
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from csss.ages import age_on
from csss.i18n import into_templates
from csss.paths import TEMPLATES
from csss.reports.context import (
    Hospital,
    PredictionSummary,
    PrescriptionText,
    PrintedMedicine,
    PrintedPatient,
    PrintedReview,
    Probability,
    ReportContext,
    ScanImage,
    Signature,
)
from csss.reports.pdf import encrypt_pdf
from csss.reports.render import render_pdf, warm_up

RUNS = 15


def bench_report() -> list[tuple[str, str, str]]:
    """Rows of (what, budget, measured): time and size of one report with scan and heat map, warm, p50 of 15."""
    env = plain_environment()
    context = example_context()
    warm_up()
    pdf = render_pdf(context, env)
    seconds = statistics.median(_timed(lambda: render_pdf(context, env)) for _ in range(RUNS))
    locking = statistics.median(_timed(lambda: encrypt_pdf(pdf, "a pass phrase")) for _ in range(RUNS))
    return [
        ("report PDF with scan and heat map, p50", "≤ 0.6 s", f"{seconds:.2f} s"),
        ("report PDF with scan and heat map, size", "≤ 300 kB", f"{len(pdf) / 1000:.0f} kB"),
        ("encrypted copy of the report, p50", "–", f"{locking * 1000:.0f} ms"),
    ]


def plain_environment() -> Environment:
    """Jinja configured as in the application, without the application: the report needs nothing more."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    into_templates(environment)
    return environment


def example_context(**changes: Any) -> ReportContext:
    """An invented report with a drawn picture of 1024 × 1024 pixels; `changes` replace fields of the context."""
    start = datetime(2026, 11, 20, 9, 15, tzinfo=UTC)
    born = date(1971, 3, 2)
    scan, heatmap = drawn_pictures(1024)
    classes = (
        ("COVID", "COVID-19", 0.031),
        ("Lung_Opacity", "Lung opacity", 0.912),
        ("NIH_MERGED", "Chest X-ray, no listed disease recognised", 0.028),
        ("Normal", "Normal", 0.012),
        ("Sick", "Diseased heart", 0.004),
        ("Viral_Pneumonia", "Viral pneumonia", 0.013),
    )
    context = ReportContext(
        report_id="7d0c8a52-9b1e-4c39-8f5e-2d0f6a9b41c7",
        version=1,
        created_at=start + timedelta(hours=5),
        hospital=Hospital(
            name="Example General Hospital",
            address=("12 Harbour Road", "Example Town"),
            phone="+44 20 7946 0000",
            email="records@hospital.example",
        ),
        patient=PrintedPatient(
            name="Jane Example",
            mrn="CSSS-2026-004217",
            date_of_birth=born,
            age=age_on(born, start.date()),
            sex="Female",
            phone="+44 7700 900000",
            email="patient@csss.example",
            address="4 Lake View, Example Town",
        ),
        scan=ScanImage(
            kind="Chest X-ray",
            indication="Cough and fever for six days.",
            uploaded_at=start,
            image=scan,
            width=1024,
            height=1024,
        ),
        prediction=PredictionSummary(
            label="Lung_Opacity",
            human_label="Lung opacity",
            confidence=0.912,
            probabilities=tuple(Probability(name=n, human=h, value=v) for n, h, v in classes),
            threshold=0.75,
            model_version="example-1",
            heatmap=heatmap,
        ),
        review=PrintedReview(
            version=1,
            author="Dr Maria Fernandes",
            written_at=start + timedelta(hours=1),
            findings="The heart is of normal size.\n\nThere is a patchy consolidation in the right lower zone. The left "
            "lung is clear. No pneumothorax.",
            impression="Right lower lobe pneumonia. A follow-up film in six weeks is advised.",
            diagnosis="Right lower lobe pneumonia",
            agreement="agree",
        ),
        prescription=PrescriptionText(
            version=1,
            author="Daniel Okafor",
            written_at=start + timedelta(hours=2),
            items=(
                PrintedMedicine(
                    drug="Amoxicillin",
                    dose="500 mg",
                    route="Oral",
                    frequency="Three times a day",
                    duration="7 days",
                ),
            ),
            notes="Take the antibiotic to the end.",
        ),
        signatures=(
            _signature("Dr Maria Fernandes", "Doctor", "Verified the findings", start + timedelta(hours=1)),
            _signature(
                "Daniel Okafor", "Pharmacist", "Completed the prescription", start + timedelta(hours=2)
            ),
            _signature("Priya Nair", "Administrator", "Approved and released", start + timedelta(hours=5)),
        ),
    )
    return replace(context, **changes)


def drawn_pictures(side: int) -> tuple[bytes, bytes]:
    """A grey picture with the grain of an X-ray, `side` pixels square, and a heat map over it: two JPEGs."""
    random = np.random.default_rng(42)
    y, x = np.mgrid[0:side, 0:side] / side
    lungs = np.exp(-(((x - 0.3) / 0.15) ** 2) - ((y - 0.5) / 0.28) ** 2)
    lungs += np.exp(-(((x - 0.7) / 0.15) ** 2) - ((y - 0.5) / 0.28) ** 2)
    grey = 190 - 130 * lungs + 12 * np.sin(y * 90) * lungs + random.normal(0, 6, (side, side))
    heat = np.exp(-((x - 0.3) ** 2 + (y - 0.6) ** 2) / 0.02)
    colours = np.stack([heat, 1 - abs(2 * heat - 1), 1 - heat], axis=-1) * 255
    blend = 0.6 * grey[..., None] + 0.4 * colours
    return _jpeg(grey), _jpeg(blend)


def _jpeg(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=92)
    return out.getvalue()


def _signature(name: str, role: str, action: str, signed_at: datetime) -> Signature:
    return Signature(name=name, role=role, action=action, signed_at=signed_at)


def _timed(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
