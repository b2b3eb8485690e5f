"""Define a scan's statuses and their order as one table. The table is the documentation; `csss diagram` prints it."""

from enum import StrEnum


class Status(StrEnum):
    """What people have done with a scan. The progress of the analysis is in AnalysisRun, never here."""

    PENDING_AI = "PENDING_AI"
    AI_ANALYZED = "AI_ANALYZED"
    DOCTOR_VERIFIED = "DOCTOR_VERIFIED"
    PHARMACIST_COMPLETED = "PHARMACIST_COMPLETED"
    REPORT_READY = "REPORT_READY"


# Forward only, one step at a time. Every status has a row, including the last.
NEXT: dict[Status, Status | None] = {
    Status.PENDING_AI: Status.AI_ANALYZED,
    Status.AI_ANALYZED: Status.DOCTOR_VERIFIED,
    Status.DOCTOR_VERIFIED: Status.PHARMACIST_COMPLETED,
    Status.PHARMACIST_COMPLETED: Status.REPORT_READY,
    Status.REPORT_READY: None,
}

# Who causes the step to each status.
STEP: dict[Status, str] = {
    Status.PENDING_AI: "the patient uploads",
    Status.AI_ANALYZED: "a doctor starts the analysis, the worker does it",
    Status.DOCTOR_VERIFIED: "a doctor verifies",
    Status.PHARMACIST_COMPLETED: "a pharmacist completes",
    Status.REPORT_READY: "an administrator approves with a one-time code",
}


class ScanKind(StrEnum):
    CHEST_XRAY = "chest_xray"
    CARDIAC_MRI = "cardiac_mri"


class Priority(StrEnum):
    """In this order, so that sorting in descending order puts urgent first."""

    ROUTINE = "routine"
    URGENT = "urgent"


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Agreement(StrEnum):
    AGREE = "agree"
    PARTLY = "partly"
    DISAGREE = "disagree"


class Sureness(StrEnum):
    """How sure a doctor is of a first impression."""

    SURE = "sure"
    FAIRLY = "fairly"
    UNSURE = "unsure"


class HoldFor(StrEnum):
    """Who is asked for a correction."""

    DOCTOR = "doctor"
    PHARMACIST = "pharmacist"


def diagram() -> str:
    """Render the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> PENDING_AI: {STEP[Status.PENDING_AI]}"]
    for status, following in NEXT.items():
        if following:
            lines.append(f"    {status} --> {following}: {STEP[following]}")
    return "\n".join([*lines, "    REPORT_READY --> [*]"])
