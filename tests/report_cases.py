"""Seven reports as they come in life, invented: what a report looks like is judged on these.

python -m tests.report_cases FOLDER    writes each as PDF, and its pages as pictures where `pdftoppm` is installed
"""

import io
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from benchmarks.report import example_context, plain_environment
from csss.ages import age_on
from csss.reports.context import (
    Hospital,
    NoPrediction,
    PredictionSummary,
    PrescriptionText,
    PrintedAddendum,
    PrintedFinding,
    ReportContext,
)
from csss.reports.render import render_pdf

_SENTENCES = "The heart is of normal size and configuration. The mediastinal contours are unremarkable. " * 3
_OPACITY = (
    "There is an ill-defined opacity in the left perihilar region that may represent overlapping vessels or early "
    "consolidation."
)


@cache
def logo() -> bytes:
    image = Image.new("RGB", (420, 140), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((10, 50, 130, 90), fill="#1d6fa5")
    pen.rectangle((50, 10, 90, 130), fill="#1d6fa5")
    target = io.BytesIO()
    image.save(target, "JPEG", quality=92)
    return target.getvalue()


@cache
def usual() -> ReportContext:
    """A chest X-ray with a finding, a medicine, an allergy, and earlier scans, of a hospital with all its details."""
    base = example_context(number="7K3Q-9F2M", timezone="Asia/Kolkata")
    details = (("radiologist", "TNMC 84213"), ("clinical pharmacist", "PCI 20391"), ("", ""))
    return replace(
        base,
        hospital=Hospital(
            name="St. Thomas Hospital",
            address=("14 Mount Road", "Chennai 600002"),
            phone="+91 44 2345 6789",
            letterhead="Department of Radiology",
            logo=logo(),
        ),
        signatures=tuple(
            replace(each, specialty=specialty, registration=number)
            for each, (specialty, number) in zip(base.signatures, details, strict=True)
        ),
        scan=replace(
            base.scan,
            technique="Sent as a picture of 1024 × 1024 pixels; projection, exposure and scale are not recorded.",
            comparison="Available to the doctor: 3 May 2026; 12 January 2025.",
        ),
        patient=replace(base.patient, allergies="Penicillin (rash)"),
    )


def _said(label: str, human: str, confidence: float, **more: Any) -> PredictionSummary:
    base = usual().prediction
    assert isinstance(base, PredictionSummary)
    rest = (1 - confidence) / 5
    bars = tuple(
        replace(each, value=confidence if each.name == label else rest) for each in base.probabilities
    )
    return replace(base, label=label, human_label=human, confidence=confidence, probabilities=bars, **more)


def _none_needed() -> PrescriptionText:
    return PrescriptionText(
        version=1, author="Daniel Okafor", written_at=usual().prescription.written_at, none_needed=True
    )


def normal() -> ReportContext:
    base = usual()
    return replace(
        base,
        prediction=_said("Normal", "Normal", 0.962),
        review=replace(
            base.review,
            findings="The lungs are clear. The heart is of normal size. No effusion, no pneumothorax.",
            impression="Normal chest X-ray.",
            diagnosis="No acute cardiopulmonary disease",
        ),
        prescription=_none_needed(),
        patient=replace(base.patient, allergies="None known"),
    )


def uncertain() -> ReportContext:
    """With a text that fills more than a page."""
    base = usual()
    return replace(
        base,
        prediction=_said(
            "Lung_Opacity",
            "Lung opacity",
            0.61,
            uncertain=True,
            uncertain_reason="The highest probability, 61 %, is below the threshold of 75 %.",
            findings=(
                PrintedFinding(human="Infiltration", value=0.41, threshold=0.31),
                PrintedFinding(human="Effusion", value=0.35, threshold=0.3),
            ),
        ),
        review=replace(
            base.review,
            findings="\n\n".join([_SENTENCES + _OPACITY] * 4),
            impression=_SENTENCES,
            diagnosis="Indeterminate left perihilar opacity; follow-up CT recommended",
            agreement="partly",
        ),
    )


def disagreement() -> ReportContext:
    base = usual()
    review = replace(base.review, diagnosis="Bacterial pneumonia, right lower lobe", agreement="disagree")
    return replace(base, prediction=_said("COVID", "COVID-19", 0.93), review=review)


def child() -> ReportContext:
    base, born = usual(), date(2026, 7, 1)
    return replace(
        base,
        patient=replace(
            base.patient,
            name="Baby of Anitha Raman",
            date_of_birth=born,
            age=age_on(born, date(2026, 11, 20)),
            sex="Male",
            allergies="",
        ),
        prediction=_said("Normal", "Normal", 0.83),
        review=replace(
            base.review,
            findings="Clear lungs. Normal thymus silhouette.",
            impression="",
            diagnosis="Normal chest X-ray for the age",
        ),
        prescription=_none_needed(),
    )


def heart() -> ReportContext:
    base = usual()
    return replace(
        base,
        scan=replace(
            base.scan,
            kind="Cardiac MRI",
            technique="One image, sent as a picture of 512 × 512 pixels; sequence, plane and scale are not recorded.",
            comparison="No earlier scan of this kind in this system.",
        ),
        prediction=_said("Sick", "Diseased heart", 0.91),
        review=replace(
            base.review,
            findings="The left ventricle is dilated. The wall of the septum is thin.",
            impression="Dilated cardiomyopathy is likely.",
            diagnosis="",
        ),
    )


def no_prescription() -> ReportContext:
    """Read without the classifier, too."""
    return replace(
        usual(), prescription=_none_needed(), prediction=NoPrediction(reason="The analysis failed twice.")
    )


def addendum() -> ReportContext:
    base = usual()
    note = PrintedAddendum(
        note="The follow-up should be in four weeks instead of six, because the patient travels.",
        author="Dr Maria Fernandes",
        role="Doctor",
        written_at=base.created_at + timedelta(days=1),
    )
    return replace(base, version=2, addenda=(note,))


CASES = {
    each.__name__: each for each in (normal, uncertain, disagreement, child, heart, no_prescription, addendum)
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in CASES.items():
        path = folder / f"{name}.pdf"
        path.write_bytes(render_pdf(make(), plain_environment()))
        if shutil.which("pdftoppm"):
            subprocess.run(["pdftoppm", "-r", "80", "-png", str(path), str(folder / name)], check=True)
        print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
