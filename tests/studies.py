"""A hospital with scans whose truth is known, and readers who mostly see it, for tests of validation studies."""

import csv
import io
import uuid
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

from csss.auth.accounts import PatientDetails, register
from csss.clock import now
from csss.config import Settings
from csss.database import transaction
from csss.people.models import AccountState, Sex, User
from csss.people.roles import Role
from csss.scans.states import Status
from csss.study.study_folder import StudyFolder
from tests.factories import PASSWORD, Clinic, picture, reading
from tests.integration.command_line import done

CHEST = ("COVID", "Lung_Opacity", "NIH_MERGED", "Normal", "Viral_Pneumonia")
SPAN = ("--since", "2020-01-01", "--until", "2100-01-01")
SECRETS = ("Venkataraman", "Quillfeather", "1947-03-11")


@dataclass
class KnownHospital:
    """`truth` says of each scan what it really shows."""

    clinic: Clinic
    settings: Settings
    truth: dict[uuid.UUID, str] = field(default_factory=dict)
    mrns: list[str] = field(default_factory=list)

    def scans(self, number: int, *, right: float = 0.8, seed: int = 1, verified: bool = False) -> None:
        """One scan each of so many patients; the classifier is right with probability `right`."""
        random = np.random.default_rng(seed)
        doctor = self.clinic.person("doctor")
        for place in range(number):
            truth = str(random.choice(CHEST, p=(0.15, 0.2, 0.15, 0.35, 0.15)))
            said = truth if random.random() < right else str(random.choice(CHEST))
            person = self._patient(place, seed)
            result = reading(said, float(random.uniform(0.45, 0.99)), model_version="test-1")
            scan = self.clinic.scan(
                Status.AI_ANALYZED, patient=person, doctor=doctor, result=result, image=picture(64, 64)
            )
            self.truth[scan.id] = truth
            if verified:
                self.clinic.verify(scan.id, doctor)

    def _patient(self, place: int, seed: int) -> User:
        born, sex = date(1947 + place % 60, 3, 11), (Sex.FEMALE, Sex.MALE)[place % 2]
        with transaction():
            user = register(
                role=Role.PATIENT,
                email=f"{SECRETS[1]}{place}-{seed}@csss.example",
                name=f"{SECRETS[0]} {SECRETS[1]}",
                password=PASSWORD,
                patient=PatientDetails(born, sex, "+91 44 5550 0100"),
            )
            user.state, user.email_confirmed_at = AccountState.ACTIVE, now()
        assert user.patient is not None
        self.mrns.append(user.patient.mrn)
        return user

    def draw(self, name: str, size: int, *more: str) -> str:
        options = ("--target", "COVID", "--target", "Lung_Opacity", "--target", "Viral_Pneumonia")
        kind = ("--kind", "chest_xray", "--seed", "7")
        return done(self.settings, "study", "draw", name, *options, *SPAN, *kind, "--size", str(size), *more)

    def study(self, name: str) -> StudyFolder:
        return StudyFolder(self.settings, name)

    def fill_in(self, name: str, sheet: Path, *, sees: float, seed: int) -> Path:
        """What a reader writes who sees the truth with probability `sees` and else guesses."""
        random, scans = np.random.default_rng(seed), self.study(name).scans()
        rows = list(csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"))))
        for row in rows:
            row["reading"] = (
                self.truth[scans[row["number"]]] if random.random() < sees else str(random.choice(CHEST))
            )
        out = io.StringIO()
        writer = csv.DictWriter(out, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        filled = sheet.with_name(f"filled-{sheet.name}")
        filled.write_text(out.getvalue(), "utf-8")
        return filled

    def read(self, name: str, export: Path, *, sees: float = 0.9, **more: float) -> None:
        """Every reader reads everything."""
        for seed, reader in enumerate(self.study(name).protocol().everybody):
            filled = self.fill_in(
                name, export / f"sheet-{reader}.csv", sees=more.get(reader, sees), seed=seed
            )
            done(self.settings, "study", "import", name, filled, "--reader", reader)
