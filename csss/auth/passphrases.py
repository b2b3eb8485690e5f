"""Store and read the pass phrase that opens the reports mailed to a patient."""

import unicodedata
import uuid

from csss.audit.record import record
from csss.auth import secrets
from csss.errors import Invalid, NotFound
from csss.i18n import gettext
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import Patient, User

PASSPHRASE_MIN, PASSPHRASE_MAX = 8, 100


def set_report_passphrase(user: User, passphrase: str) -> None:
    """Set the pass phrase for this patient's mailed reports. Stored encrypted (not hashed), since every report
    needs it."""
    if user.patient is None:
        raise NotFound(gettext("Only patients have a report pass phrase."))
    _set(user.patient, passphrase)
    record("account.report_passphrase_set", user, by=user)


def set_for_record(patient: Patient, passphrase: str) -> None:
    """The same for a patient without an account, who has shown to read the mail of the record."""
    _set(patient, passphrase)
    record("account.report_passphrase_set", patient)


def _set(patient: Patient, passphrase: str) -> None:
    # A PDF's pass phrase ends at 127 bytes (ISO 32000-2, 7.6.4.3.3) of its NFKC form, which can be much longer. A
    # pass phrase that is accepted here but refused by the mail job would block the mailing of the report.
    fits = len(unicodedata.normalize("NFKC", passphrase).encode()) <= 127
    if not fits or not PASSPHRASE_MIN <= len(passphrase) <= PASSPHRASE_MAX:
        raise Invalid(
            report_passphrase=gettext(
                "The pass phrase needs %(least)s to %(most)s characters.",
                least=PASSPHRASE_MIN,
                most=PASSPHRASE_MAX,
            )
        )
    patient.report_passphrase = secrets.encrypt("report-passphrase", passphrase)


def remove_report_passphrase(user: User) -> None:
    if user.patient is not None and user.patient.report_passphrase is not None:
        user.patient.report_passphrase = None
        record("account.report_passphrase_removed", user, by=user)
        owe(MailKind.PASSPHRASE_REMOVED, user, uuid.uuid4())


def report_passphrase(patient: Patient) -> str | None:
    """The pass phrase for this patient's reports; None without one, and when it cannot be decrypted because the
    secret key has changed since."""
    what = f"the report pass phrase of patient {patient.id}"
    return secrets.opened("report-passphrase", patient.report_passphrase, what)


def passphrase_is_lost(patient: Patient) -> bool:
    """Whether a pass phrase is set that cannot be decrypted any more."""
    return patient.report_passphrase is not None and report_passphrase(patient) is None
