"""Warn about prescriptions. `check` is one pure function: patient, lines, formulary, interactions → warnings.

A warning forbids nothing. Those that ask (`Severity.asks`) need a reason, which is kept with the line.
"""

from csss.prescriptions.safety.engine import check
from csss.prescriptions.safety.facts import (
    Code,
    Kidney,
    PatientFacts,
    Pregnancy,
    SafetyWarning,
    Severity,
    Taken,
)

__all__ = [
    "Code",
    "Kidney",
    "PatientFacts",
    "Pregnancy",
    "SafetyWarning",
    "Severity",
    "Taken",
    "check",
]
