"""A hospital made by simulation, with known truth: its scans, what a classifier says of them, and how its doctors read.

Each class draws points around a centre of its own, so the true probabilities of the classes are known. The classifier knows
the points, but believes in other frequencies of the classes than this hospital has, and is too sure of itself.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csss.database import db, transaction
from csss.inference.classes import belongs_to
from csss.inference.engine import Result
from csss.inference.labels import default_folder, read_info
from csss.people.models import User
from csss.recalibration import services
from csss.recalibration.readings import Says, VerifiedReading
from csss.scans import services as scan_services
from csss.scans.review_text import ReviewText
from csss.scans.states import Agreement, ScanKind
from tests.factories import Clinic, picture, reading

INFO = read_info()
NAMES = INFO.names
THRESHOLD = INFO.threshold
_CHEST = ("COVID", "Lung_Opacity", "NIH_MERGED", "Normal", "Viral_Pneumonia")
_HEARTS = ("Normal", "Sick")
# How often the classes were in the classifier's training data, and how often they are here.
_BELIEVED = {
    "COVID": 0.3,
    "Lung_Opacity": 0.1,
    "NIH_MERGED": 0.2,
    "Normal": 0.15,
    "Sick": 0.15,
    "Viral_Pneumonia": 0.1,
}
_HERE = {"COVID": 0.05, "Lung_Opacity": 0.2, "NIH_MERGED": 0.25, "Normal": 0.45, "Viral_Pneumonia": 0.05}
_HEARTS_HERE = {"Normal": 0.6, "Sick": 0.4}
_APART = 2.0  # how far the centres of the classes lie apart
_TOO_SURE = 2.2  # what the logarithms of the probabilities are multiplied with
_OTHER_KIND = -6.0


@dataclass(frozen=True)
class SimulatedScan:
    kind: ScanKind
    truth: str
    probabilities: NDArray[np.float64]

    @property
    def top(self) -> str:
        return NAMES[int(self.probabilities.argmax())]

    @property
    def is_answered(self) -> bool:
        return bool(self.probabilities.max() >= THRESHOLD) and belongs_to(self.top, self.kind)

    @property
    def agreement(self) -> Agreement:
        """What a doctor who knows the truth says of the answer."""
        return Agreement.AGREE if self.top == self.truth else Agreement.DISAGREE


def scans(seed: int, number: int) -> list[SimulatedScan]:
    random = np.random.default_rng(seed)
    found = []
    for heart in random.random(number) < 0.15:
        kind, here = (ScanKind.CARDIAC_MRI, _HEARTS_HERE) if heart else (ScanKind.CHEST_XRAY, _HERE)
        truth = str(random.choice(list(here), p=list(here.values())))
        point = random.normal(size=len(NAMES)) + _APART * (np.array(NAMES) == truth)
        fits = np.array([name in (_HEARTS if heart else _CHEST) for name in NAMES])
        logits = _TOO_SURE * (
            _APART * point + np.log([_BELIEVED[name] for name in NAMES]) + np.where(fits, 0.0, _OTHER_KIND)
        )
        raised = np.exp(logits - logits.max())
        found.append(SimulatedScan(kind, truth, raised / raised.sum()))
    return found


def readings(seed: int, number: int, named: float = 0.3, of_a_patient: int = 2) -> Iterator[VerifiedReading]:
    """Verified readings: agreement or disagreement with an answer; this share of the rest names its class in a list."""
    random = np.random.default_rng(seed + 1_000_000)
    for place, scan in enumerate(scans(seed, number)):
        own = frozenset(name for name in NAMES if belongs_to(name, scan.kind))
        says, possible = Says.UNNAMED, frozenset[str]()
        if scan.is_answered and scan.top == scan.truth:
            says, possible = Says.AGREED, frozenset({scan.truth})
        elif random.random() < named:
            says, possible = Says.LISTED, frozenset({scan.truth})
        elif scan.is_answered:
            says, possible = Says.NOT_THIS, own - {scan.top}
        patient = uuid.UUID(int=seed * 1_000_000 + place // of_a_patient)
        yield VerifiedReading(
            uuid.UUID(int=place),
            patient,
            scan.kind,
            scan.top if scan.is_answered else "Uncertain",
            dict(zip(NAMES, scan.probabilities.tolist(), strict=True)),
            says,
            possible,
        )


def keep_fitted_version(seed: int = 3) -> str:
    """A version fitted to simulated readings, in the database; its name."""
    new = services.fitted_to(list(readings(seed, 400)), default_folder(), 0.85)
    with transaction():
        return services.keep(new).version


def result_of(scan: SimulatedScan, version: str = INFO.version) -> Result:
    """What the classifier says of a scan."""
    given = dict(zip(NAMES, scan.probabilities.tolist(), strict=True))
    confidence = float(scan.probabilities.max())
    return reading(
        scan.top,
        confidence,
        THRESHOLD,
        label=scan.top if confidence >= THRESHOLD else "Uncertain",
        probabilities=given,
        model_version=version,
        heatmap=None,
    )


def verify(
    clinic: Clinic, found: SimulatedScan, patient: User, doctor: User, diagnosis: str = "Seen"
) -> uuid.UUID:
    """A scan of the hospital that its doctor has verified, all in one system."""
    scan_id = clinic.scan(patient=patient, image=picture(64, 64), kind=found.kind).id
    clinic.analyse(scan_id, doctor, result_of(found))
    written = ReviewText("As seen.", "", diagnosis, found.agreement, read_myself=True)
    with transaction():
        scan_services.verify(scan_id, written, by=doctor)
    return scan_id


def fill(clinic: Clinic, number: int, seed: int = 1) -> list[uuid.UUID]:
    """So many verified scans in a system, two of each patient."""
    doctor = clinic.person("doctor", email=f"{uuid.uuid4()}@csss.example")
    found = []
    for place, scan in enumerate(scans(seed, number)):
        if place % 2 == 0:
            patient = clinic.person("patient", email=f"{uuid.uuid4()}@csss.example")
        found.append(verify(clinic, scan, patient, doctor))
    db.session.remove()
    return found
