"""Tables of a scan and everything recorded about it before the prescription."""

import uuid
from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import APPEND_ONLY, Model, text_enum
from csss.people.models import Patient, User
from csss.scans.states import Agreement, HoldFor, Priority, RunState, ScanKind, Status, Sureness
from csss.scans.together_models import ScanAssignment, SecondReadingRequest

_JSON_OR_NULL = JSON(none_as_null=True)


class Scan(Model):
    """One uploaded image of one patient. Only `scans.workflow` writes `status`; only `services.correct_kind` writes
    `kind`."""

    __tablename__ = "scans"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patients.id"))
    kind: Mapped[ScanKind] = mapped_column(text_enum(ScanKind))
    indication: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[Status] = mapped_column(text_enum(Status), default=Status.PENDING_AI)
    status_since: Mapped[datetime] = mapped_column(default=now)
    priority: Mapped[Priority] = mapped_column(text_enum(Priority), default=Priority.ROUTINE)
    uploaded_at: Mapped[datetime] = mapped_column(default=now)
    file_key: Mapped[str] = mapped_column(String(80))
    media_type: Mapped[str] = mapped_column(String(40))
    sha256: Mapped[str] = mapped_column(String(64))
    width: Mapped[int]
    height: Mapped[int]
    # All sixteen bits, when the shown picture has fewer grey levels than the upload.
    original_key: Mapped[str | None] = mapped_column(String(80))
    original_sha256: Mapped[str | None] = mapped_column(String(64))
    # What the patient was asked about the picture (`scans.doubts.Doubt`), and sent it all the same; None: nothing.
    sent_despite: Mapped[list[str] | None] = mapped_column(_JSON_OR_NULL)

    patient: Mapped[Patient] = relationship(lazy="joined", innerjoin=True)
    events: Mapped[list["ScanEvent"]] = relationship(order_by="ScanEvent.at", viewonly=True)
    runs: Mapped[list["AnalysisRun"]] = relationship(order_by="AnalysisRun.requested_at", viewonly=True)
    prediction: Mapped["Prediction | None"] = relationship(viewonly=True)
    reviews: Mapped[list["Review"]] = relationship(order_by="Review.version", viewonly=True)
    closure: Mapped["ScanClosure | None"] = relationship(viewonly=True)
    holds: Mapped[list["ScanHold"]] = relationship(order_by="ScanHold.placed_at", viewonly=True)
    kind_corrections: Mapped[list["KindCorrection"]] = relationship(
        order_by="KindCorrection.version", viewonly=True
    )
    addenda: Mapped[list["Addendum"]] = relationship(order_by="Addendum.number", viewonly=True)
    opening: Mapped["PharmacistOpening | None"] = relationship(viewonly=True)
    assignments: Mapped[list[ScanAssignment]] = relationship(
        order_by=ScanAssignment.assigned_at, viewonly=True
    )
    second_requests: Mapped[list[SecondReadingRequest]] = relationship(
        order_by=SecondReadingRequest.asked_at, viewonly=True
    )
    doctor_opening: Mapped["DoctorOpening | None"] = relationship(viewonly=True)

    __table_args__ = (
        # The index includes the id, so that finding, sorting and counting a page never reads the table.
        Index("ix_scans_queue", "status", "priority", "uploaded_at", "id"),
        Index("ix_scans_priority", "priority", "uploaded_at", "id"),
        Index("ix_scans_patient", "patient_id", "uploaded_at"),
    )

    @property
    def review(self) -> "Review | None":
        """The current review, which is the newest version."""
        return self.reviews[-1] if self.reviews else None

    @property
    def latest_run(self) -> "AnalysisRun | None":
        return self.runs[-1] if self.runs else None

    @property
    def open_hold(self) -> "ScanHold | None":
        return next((hold for hold in self.holds if hold.lifted_at is None), None)


class ScanEvent(Model):
    """One step in a scan's life: who, when and from where. The screens show it; the audit log is separate."""

    __tablename__ = "scan_events"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), index=True)
    was: Mapped[Status | None] = mapped_column(text_enum(Status, "was_status"))
    became: Mapped[Status] = mapped_column(text_enum(Status, "became_status"))
    actor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(default=now)
    origin: Mapped[str] = mapped_column(String(60))

    actor: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    # One row per scan and status: a step that is taken twice fails in the database, too.
    __table_args__ = (
        UniqueConstraint("scan_id", "became"),
        Index("ix_scan_events_at", "at", "became"),
        {"info": APPEND_ONLY},
    )


class AnalysisRun(Model):
    """One attempt to analyse a scan, requested by a doctor."""

    __tablename__ = "analysis_runs"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), index=True)
    requested_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    requested_at: Mapped[datetime] = mapped_column(default=now)
    state: Mapped[RunState] = mapped_column(text_enum(RunState), default=RunState.QUEUED)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    failure: Mapped[str] = mapped_column(Text, default="")  # a sentence for the doctor

    scan: Mapped[Scan] = relationship(viewonly=True)
    requested_by: Mapped[User] = relationship()


class Prediction(Model):
    """The classifier's answer for a scan, or the reason why the classifier was not asked (`available` False)."""

    __tablename__ = "predictions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), unique=True)
    run_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("analysis_runs.id"), unique=True)
    available: Mapped[bool]
    label: Mapped[str] = mapped_column(
        String(60)
    )  # "Uncertain" when it is; "Not available" without a classifier
    top_label: Mapped[str] = mapped_column(String(60), default="")
    confidence: Mapped[float | None]
    probabilities: Mapped[dict[str, float]] = mapped_column(JSON, default=dict)  # in the model's class order
    threshold_used: Mapped[float | None]
    uncertain: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text, default="")  # why uncertain, or why not available
    model_version: Mapped[str] = mapped_column(String(60), default="")
    model_input_size: Mapped[str] = mapped_column(String(30), default="")
    latency_ms: Mapped[float | None]
    heatmap_key: Mapped[str | None] = mapped_column(String(80))
    silent: Mapped[bool] = mapped_column(default=False, server_default=false())  # kept from people for ever
    # The second output: None where the model has none, the last four also where the picture is no frontal chest X-ray.
    view: Mapped[dict[str, float] | None] = mapped_column(_JSON_OR_NULL)  # what the picture can be
    findings: Mapped[dict[str, float] | None] = mapped_column(_JSON_OR_NULL)
    no_finding: Mapped[float | None]
    finding_thresholds: Mapped[dict[str, float] | None] = mapped_column(_JSON_OR_NULL)  # as they were then
    finding_maps: Mapped[dict[str, str] | None] = mapped_column(
        _JSON_OR_NULL
    )  # packed by csss.scans.findings
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    # What `csss.watch` needs of the picture; None for predictions that were made before it was kept.
    outlier_score: Mapped[float | None]
    mean_grey: Mapped[float | None]  # of the pixels in 0..1, as the network saw them
    contrast: Mapped[float | None]  # their standard deviation

    __table_args__ = (
        Index(
            "ix_predictions_watched",
            "model_version",
            "created_at",
            sqlite_where=text("mean_grey IS NOT NULL"),
            postgresql_where=text("mean_grey IS NOT NULL"),
        ),
        {"info": APPEND_ONLY},
    )


class Review(Model):
    """A doctor's reading of a scan. A correction adds a version; the old version stays."""

    __tablename__ = "reviews"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"))
    version: Mapped[int]
    doctor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    findings: Mapped[str] = mapped_column(Text)
    impression: Mapped[str] = mapped_column(Text, default="")
    diagnosis: Mapped[str] = mapped_column(Text, default="")
    agreement: Mapped[Agreement | None] = mapped_column(text_enum(Agreement))  # None without a prediction
    read_myself: Mapped[bool] = mapped_column(default=False)
    changed_mind: Mapped[bool | None]  # against the doctor's first impression; None without one
    # What must be done now, if it is a critical result; empty if it is none.
    critical_action: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)

    doctor: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (UniqueConstraint("scan_id", "version"), {"info": APPEND_ONLY})


class FirstImpression(Model):
    """What a doctor thought of a scan before the classifier's answer was revealed to them. The row reveals it."""

    __tablename__ = "first_impressions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"))
    doctor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    findings: Mapped[str] = mapped_column(Text)
    impression: Mapped[str] = mapped_column(Text, default="")
    diagnosis: Mapped[str] = mapped_column(Text)
    sureness: Mapped[Sureness] = mapped_column(text_enum(Sureness))
    written_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (UniqueConstraint("scan_id", "doctor_id"), {"info": APPEND_ONLY})


class PharmacistOpening(Model):
    """The first time that a pharmacist opened a signed scan. From then on its signature cannot be taken back."""

    __tablename__ = "pharmacist_openings"

    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), primary_key=True)
    pharmacist_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    review_version: Mapped[int]
    opened_at: Mapped[datetime] = mapped_column(default=now)

    pharmacist: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = ({"info": APPEND_ONLY},)


class DoctorOpening(Model):
    """The first time that a doctor opened a scan. From then on its patient cannot withdraw it."""

    __tablename__ = "doctor_openings"

    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), primary_key=True)
    doctor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    opened_at: Mapped[datetime] = mapped_column(default=now)

    doctor: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = ({"info": APPEND_ONLY},)


class ScanClosure(Model):
    """A scan that will not be read, and why. It leaves all queues; the patient is asked to upload again.

    `withdrawn`: the patient has done it, before a doctor had opened the scan; `doctor` is then the patient.
    """

    __tablename__ = "scan_closures"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), unique=True)
    doctor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(Text)
    closed_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn: Mapped[bool] = mapped_column(default=False, server_default=false())

    doctor: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = ({"info": APPEND_ONLY},)


class KindCorrection(Model):
    """A doctor found that a scan is of another kind than declared. The newest version counts."""

    __tablename__ = "kind_corrections"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"))
    version: Mapped[int]
    doctor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    was: Mapped[ScanKind] = mapped_column(text_enum(ScanKind, "was_kind"))
    became: Mapped[ScanKind] = mapped_column(text_enum(ScanKind, "became_kind"))
    reason: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[Status] = mapped_column(
        text_enum(Status, "corrected_at_status")
    )  # the scan's status at that time
    after_review: Mapped[int]  # newest version of the reading at that time; 0 before the first
    corrected_at: Mapped[datetime] = mapped_column(default=now)

    doctor: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (UniqueConstraint("scan_id", "version"), {"info": APPEND_ONLY})


class ScanHold(Model):
    """An administrator's question to the doctor or pharmacist, or a signature that its doctor has taken back.

    While it is open, nothing can be prescribed or approved.
    """

    __tablename__ = "scan_holds"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"), index=True)
    to: Mapped[HoldFor] = mapped_column(text_enum(HoldFor))
    note: Mapped[str] = mapped_column(Text)
    placed_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    placed_at: Mapped[datetime] = mapped_column(default=now)
    answered_at: Mapped[
        datetime | None
    ]  # the correction was given; the administrator checks it and lifts the hold
    lifted_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    lifted_at: Mapped[datetime | None]
    # The version of the reading whose signature the doctor has taken back; None for an administrator's question.
    taken_back: Mapped[int | None]

    placed_by: Mapped[User] = relationship(foreign_keys=placed_by_id, lazy="joined", innerjoin=True)


class Addendum(Model):
    """A signed note after release. It makes a new report version; the old version stays."""

    __tablename__ = "addenda"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    scan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("scans.id"))
    number: Mapped[int]
    author_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    note: Mapped[str] = mapped_column(Text)
    critical_action: Mapped[str] = mapped_column(
        Text, default="", server_default=text("''")
    )  # as of a reading
    created_at: Mapped[datetime] = mapped_column(default=now)

    author: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (UniqueConstraint("scan_id", "number"), {"info": APPEND_ONLY})
