"""The watch on the classifier: an alarm names what has changed, once, and an administrator has seen it."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from csss.audit.models import AuditEvent
from csss.clock import now, pretending
from csss.database import db, transaction
from csss.erasing import services as erasing
from csss.inference.labels import UNLIKE
from csss.jobs import scan_jobs
from csss.notices.models import MailKind, MailMessage
from csss.people.models import Patient
from csss.scans.models import Prediction, Review, Scan
from csss.scans.states import Agreement, ScanKind, Status
from csss.watch import alarms, queries
from csss.watch.figures import RECENT, REFERENCE, Figure
from csss.watch.models import WatchAlarm, WhyClosed
from csss.watch.words import sentence
from tests.factories import LABELS, Clinic, reading
from tests.visitor import Visitor, words

BEGIN = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
PER_DAY = 5
Change = Callable[[int], dict[str, Any]]


def patient_id(clinic: Clinic) -> uuid.UUID:
    user = clinic.person("patient")
    return db.session.scalars(select(Patient.id).where(Patient.user_id == user.id)).one()


class Hospital:
    """Many scans that are already read, one after the other, put straight into the tables."""

    def __init__(self, clinic: Clinic) -> None:
        self.patient_id = patient_id(clinic)
        self.doctor_id = clinic.person("doctor").id
        self.draw = np.random.default_rng(4)
        self.number = 0

    @property
    def at(self) -> datetime:
        """When the next scan is read."""
        return BEGIN + timedelta(days=self.number / PER_DAY)

    def read(self, count: int, change: Change = lambda _: {}, kind: ScanKind = ScanKind.CHEST_XRAY) -> None:
        """Read `count` scans; `change` says what is different about each."""
        rows: list[dict[str, Any]] = []
        for _ in range(count):
            rows.append(self._row(change(self.number)))
            self.number += 1
        scans = [
            {
                "id": row["id"],
                "patient_id": self.patient_id,
                "kind": kind,
                "uploaded_at": row["at"],
                "file_key": "scans/none.png",
                "sha256": "0" * 64,
                **{name: row[name] for name in ("media_type", "width", "height")},
            }
            for row in rows
        ]
        with transaction():
            db.session.execute(insert(Scan), scans)
            db.session.execute(insert(Prediction), [self._prediction(row) for row in rows])
            db.session.execute(insert(Review), [self._review(row) for row in rows])

    def _row(self, change: dict[str, Any]) -> dict[str, Any]:
        draw = self.draw
        side = int(draw.choice([1024, 2048]))
        return {
            "id": uuid.uuid4(),
            "at": self.at,
            "label": str(
                draw.choice(["COVID", "NIH_MERGED", "Normal", "Viral_Pneumonia"], p=[0.1, 0.4, 0.4, 0.1])
            ),
            "refused": draw.random() < 0.03,
            "uncertain": draw.random() < 0.2,
            "agreement": Agreement.AGREE if draw.random() < 0.9 else Agreement.DISAGREE,
            "mean_grey": draw.normal(0.48, 0.06),
            "contrast": draw.normal(0.24, 0.03),
            "outlier_score": draw.gamma(9, 0.1),
            "width": side,
            "height": side,
            "version": "test-1",
            "media_type": "image/png",
            **change,
        }

    def _prediction(self, row: dict[str, Any]) -> dict[str, Any]:
        uncertain = bool(row["refused"] or row["uncertain"])
        return {
            "scan_id": row["id"],
            "available": True,
            "label": "Uncertain" if uncertain else row["label"],
            "top_label": row["label"],
            "probabilities": dict.fromkeys(LABELS, 1 / 6),
            "uncertain": uncertain,
            "reason": UNLIKE if row["refused"] else "",
            "model_version": row["version"],
            "created_at": row["at"],
            **{name: row[name] for name in ("outlier_score", "mean_grey", "contrast")},
        }

    def _review(self, row: dict[str, Any]) -> dict[str, Any]:
        return {
            "scan_id": row["id"],
            "version": 1,
            "doctor_id": self.doctor_id,
            "findings": "Clear lungs.",
            "agreement": row["agreement"],
            "created_at": row["at"] + timedelta(minutes=5),
        }

    def look(self) -> list[WatchAlarm]:
        """The look of the night after the last scan."""
        with pretending(self.at + timedelta(days=1)):
            return alarms.look()


@pytest.fixture
def hospital(clinic: Clinic) -> Hospital:
    return Hospital(clinic)


@pytest.fixture
def later(hospital: Hospital) -> Iterator[Callable[[], Any]]:
    """`with later():` it is the day after the last scan."""
    yield lambda: pretending(hospital.at + timedelta(days=1))


def darker(_: int) -> dict[str, Any]:
    return {"mean_grey": 0.31}


def actions(prefix: str = "watch.") -> list[str]:
    query = select(AuditEvent.action).where(AuditEvent.action.startswith(prefix)).order_by(AuditEvent.id)
    return list(db.session.scalars(query))


@pytest.mark.both_databases
def test_a_stable_hospital_has_no_alarm_and_a_darker_scanner_has_one(
    hospital: Hospital, clinic: Clinic
) -> None:
    """It names the figure and the day, is written once to each administrator, and never a second time."""
    administrator = clinic.person("admin")
    clinic.person("admin", active=False)
    hospital.read(REFERENCE + 100)
    assert hospital.look() == [] and actions() == []
    day = hospital.at
    hospital.read(70, darker)
    (alarm,) = hospital.look()
    assert (alarm.figure, alarm.kind, alarm.higher) == (Figure.MEAN_GREY, ScanKind.CHEST_XRAY, False)
    assert abs(alarm.since - day) < timedelta(days=2)
    text = sentence(alarm)
    assert text.startswith(f"Since {alarm.since.day} March pictures of chest X-rays are darker: mean grey 0.")
    assert "instead of 0.48" in text
    hospital.read(30, darker)
    assert hospital.look() == []
    assert db.session.scalar(select(func.count()).select_from(WatchAlarm)) == 1
    assert actions() == ["watch.alarm_opened"]
    mails = db.session.scalars(select(MailMessage).where(MailMessage.kind == MailKind.WATCH_ALARM)).all()
    assert [each.user_id for each in mails] == [administrator.id]
    clinic.run_jobs("send_mail")
    told = [" ".join(each.get_content().split()) for each in clinic.mail if "classifier" in each["Subject"]]
    assert len(told) == 1 and text in told[0]


@pytest.mark.both_databases
def test_an_alarm_is_closed_after_a_whole_window_within_the_limits(hospital: Hospital) -> None:
    hospital.read(REFERENCE + 60)
    hospital.read(150, darker)
    (alarm,) = hospital.look()
    for _ in range(9):
        hospital.read(25)
        hospital.look()
        if alarm.within_since is not None and alarm.closed_at is None:
            assert hospital.at - alarm.within_since < timedelta(days=37)
    hospital.read(150)
    hospital.look()
    db.session.refresh(alarm)
    assert alarm.closed_why is WhyClosed.WITHIN and alarm.within_since is not None
    assert alarm.last_seen_at < alarm.within_since
    assert actions() == ["watch.alarm_opened", "watch.alarm_closed"]


def test_another_version_begins_anew(hospital: Hospital) -> None:
    """Its first scans are its reference, and alarms about the version before are closed."""
    hospital.read(REFERENCE + 60)
    hospital.read(150, darker)
    (alarm,) = hospital.look()
    hospital.read(REFERENCE + RECENT, lambda n: {**darker(n), "version": "test-2"})
    assert hospital.look() == []
    db.session.refresh(alarm)
    assert alarm.closed_why is WhyClosed.REPLACED


@pytest.mark.parametrize(
    ("change", "figure", "told"),
    [
        (
            lambda n: {"width": 512, "height": 512, "media_type": "image/jpeg"},
            Figure.SIZE,
            "pictures of chest X-rays are smaller",
        ),
        (
            lambda n: {"refused": n % 3 == 0, "outlier_score": 4.0 if n % 3 == 0 else 0.9},
            Figure.REFUSED,
            "more pictures of chest X-rays are refused as unlike those it learned from",
        ),
        (
            lambda n: {"label": "COVID" if n % 2 else "Normal"},
            Figure.ANSWER,
            "“COVID-19” is answered more often for pictures of chest X-rays",
        ),
        (
            lambda n: {"agreement": Agreement.DISAGREE if n % 2 else Agreement.AGREE},
            Figure.AGREEMENT,
            "doctors agree less often with the classifier on pictures of chest X-rays",
        ),
        (
            lambda n: {"contrast": 0.1},
            Figure.CONTRAST,
            "pictures of chest X-rays have less contrast",
        ),
    ],
    ids=[
        "a new source with other sizes",
        "lateral views",
        "an epidemic",
        "falling agreement",
        "a worn device",
    ],
)
def test_an_alarm_names_what_has_changed(
    hospital: Hospital, change: Change, figure: Figure, told: str
) -> None:
    hospital.read(REFERENCE + 60)
    hospital.read(160, change)
    found = hospital.look()
    assert figure in {each.figure for each in found}
    assert any(told in sentence(each) for each in found), [sentence(each) for each in found]
    assert Figure.MEAN_GREY not in {each.figure for each in found}


def test_each_kind_of_scan_is_watched_apart(hospital: Hospital) -> None:
    hospital.read(REFERENCE + 80)
    hospital.read(REFERENCE, lambda n: {"label": "Normal"}, ScanKind.CARDIAC_MRI)
    hospital.read(80, lambda n: {"label": "Normal", "mean_grey": 0.7}, ScanKind.CARDIAC_MRI)
    (alarm,) = hospital.look()
    assert alarm.kind is ScanKind.CARDIAC_MRI and "pictures of cardiac MRI are brighter" in sentence(alarm)


@pytest.mark.both_databases
def test_an_administrator_sees_an_alarm_until_it_is_marked_as_seen(
    hospital: Hospital, admin: Visitor, later: Callable[[], Any]
) -> None:
    hospital.read(REFERENCE + 60)
    assert "watch-alarms" not in admin.get("/admin/").get_data(as_text=True)
    hospital.read(150, darker)
    (alarm_id,) = [each.id for each in hospital.look()]
    start = admin.page("/admin/")
    assert "pictures of chest X-rays are darker" in start.select_one("#watch-alarms").get_text()
    action = start.select_one("#watch-alarms form")["action"]
    assert admin.post(action).status_code == 303
    assert admin.page("/admin/").select_one("#watch-alarms") is None
    admin.post(action)  # a second press changes nothing
    assert actions() == ["watch.alarm_opened", "watch.alarm_seen"]
    with later():
        page = admin.page("/admin/watch")
    assert "Seen by" in page.select_one("#alarms").get_text()
    assert page.select_one("#alarms form") is None
    assert admin.post(f"/admin/watch/{uuid.uuid4()}/seen").status_code == 404
    assert "saw an alarm about a change" in words(admin.get("/admin/audit?action=watch."))
    alarm = db.session.get_one(WatchAlarm, alarm_id)
    assert alarm.seen_at is not None and alarm.closed_at is None


def test_the_page_says_in_words_what_it_draws(
    hospital: Hospital, admin: Visitor, later: Callable[[], Any]
) -> None:
    hospital.read(REFERENCE + 60)
    hospital.read(150, darker)
    with later():
        page = admin.page("/admin/watch")
    for plot in page.select("svg.plot[role=img]"):
        for name in plot["aria-labelledby"].split():
            assert page.select_one(f"[id='{name}']").get_text(strip=True), name
    assert not page.select("svg [style], svg text")
    grey = next(
        row.get_text("|") for row in page.select("#kind-chest_xray tbody tr") if "Mean grey" in row.get_text()
    )
    assert grey.startswith("Mean grey (0 black, 1 white)|0.48 (") and grey.endswith("|outside")
    assert "Reference: the first 200 scans, 5 Jan 2026 to 14 Feb 2026." in page.get_text()
    assert len(page.select("#kind-chest_xray .plot--strip")) == 1


def test_the_page_says_how_many_scans_are_missing(
    hospital: Hospital, admin: Visitor, later: Callable[[], Any], app: Flask
) -> None:
    assert "No scan is watched yet" in words(admin.get("/admin/watch"))
    hospital.read(150)
    with later():
        assert "50 scans are missing until the reference is complete." in words(admin.get("/admin/watch"))
    hospital.read(60)
    with later():
        told = words(admin.get("/admin/watch?version=nonsense"))
    assert "The reference is complete. 40 later scans are missing until they can be compared." in told


def test_predictions_from_before_the_watch_are_left_out(hospital: Hospital) -> None:
    hospital.read(300, lambda n: {"mean_grey": None, "contrast": None, "outlier_score": None})
    with pretending(hospital.at + timedelta(days=1)):
        assert queries.versions() == []
        assert queries.count("test-1", queries.looked_at()) == ()
    assert hospital.look() == []


@pytest.mark.both_databases
def test_erased_patients_do_not_break_it(hospital: Hospital, clinic: Clinic, admin: Visitor) -> None:
    """The reference is then taken from the scans that are left, and the alarm stays."""
    hospital.read(REFERENCE + 60)
    first, hospital.patient_id = hospital.patient_id, patient_id(clinic)
    hospital.read(REFERENCE + 60)
    hospital.read(150, darker)
    (alarm,) = hospital.look()
    mrn = db.session.get_one(Patient, first).mrn
    with transaction():
        erasing.erase_as_deployer(mrn, reason="Asked for by letter", password_hash="!")
    assert hospital.look() == []
    db.session.refresh(alarm)
    assert alarm.closed_at is None
    with pretending(hospital.at + timedelta(days=1)):
        assert "Reference: the first 200 scans" in words(admin.get("/admin/watch"))


def test_prometheus_hears_of_it(hospital: Hospital, app: Flask, later: Callable[[], Any]) -> None:
    hospital.read(REFERENCE + 60)
    hospital.read(150, darker)
    hospital.look()
    with later():
        told = Visitor(app).get("/metrics").get_data(as_text=True)
    which = 'kind="chest_xray",version="test-1"'
    assert f'csss_watch_outside{{figure="mean_grey",{which}}} 1.0' in told
    assert f'csss_watch_outside{{figure="contrast",{which}}} 0.0' in told
    assert f'csss_watch_now{{figure="mean_grey",{which}}} 0.31' in told
    assert f"csss_watch_alarms_open{{{which}}} 1.0" in told
    assert f"csss_watch_missing_scans{{{which}}} 0.0" in told
    assert sum(line.startswith("csss_watch") for line in told.splitlines()) <= 60


def test_a_page_that_is_opened_again_asks_the_database_for_little(
    hospital: Hospital, queries_of: Callable[[Callable[[], object]], int]
) -> None:
    hospital.read(REFERENCE)
    with pretending(hospital.at + timedelta(days=1)):
        queries.versions()
        assert queries_of(queries.versions) == 0
        first = queries_of(lambda: queries.watched_kinds("test-1"))
        assert first > 0 and queries_of(lambda: queries.watched_kinds("test-1")) == 0


def test_only_administrators_see_the_watch(clinic: Clinic) -> None:
    for role in ("patient", "doctor", "pharmacist"):
        person = clinic.visitor(clinic.person(role))
        assert person.get("/admin/watch").status_code == 403
        assert person.post(f"/admin/watch/{uuid.uuid4()}/seen").status_code == 403


def test_the_classifier_keeps_what_the_watch_needs(clinic: Clinic) -> None:
    scan = clinic.scan(
        result=reading(outlier_score=1.25, mean_grey=0.5, contrast=0.2), status=Status.AI_ANALYZED
    )
    kept = scan.prediction
    assert kept is not None
    assert (kept.outlier_score, kept.mean_grey, kept.contrast) == (1.25, 0.5, 0.2)


def test_workers_look_once_a_day(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[datetime] = []
    monkeypatch.setattr(alarms, "look", lambda: looks.append(now()))
    with pretending(BEGIN):
        scan_jobs.between_jobs()
        scan_jobs.between_jobs()
    assert len(looks) == 1
    with pretending(BEGIN + timedelta(days=1)):
        scan_jobs.between_jobs()
    assert len(looks) == 2
