"""Audit events in an administrator's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from flask import url_for

from csss.audit.queries import Entry
from csss.i18n import _, _l, _n
from csss.people.models import User
from csss.people.roles import Role
from csss.reports.audit_names import AuditNames
from csss.scans.presenters import Words
from csss.web.admin.logs.audit_sentences import VIEWS, sentence
from csss.web.admin.patients.presenters import changes_of

_WITHOUT_PERSON = frozenset({"system", "worker", "web", "command line"})


@dataclass(frozen=True)
class AuditRow:
    """One line of the audit log; `subject_url` links to the scan or account where it has a page."""

    number: int
    at: datetime
    words: str
    role: str
    action: str
    subject_type: str
    subject_id: str
    subject_url: str | None
    changes: tuple[tuple[str, str, str], ...]  # of a correction: field, before, after
    detail: tuple[tuple[str, str], ...]
    origin: str
    own_view: bool


@dataclass(frozen=True)
class FoldedRow:
    """What whoever reads the log has looked at: several lines in one."""

    rows: tuple[AuditRow, ...]

    @property
    def words(self) -> str:
        return _n("You looked at %(num)s thing", "You looked at %(num)s things", len(self.rows))


_SUBJECTS: Words[str] = Words(
    {
        "approvalbatch": _l("choice of reports"),
        "hospital": _l("hospital"),
        "invitation": _l("invitation"),
        "mailmessage": _l("message"),
        "model": _l("classifier"),
        "outboxjob": _l("job"),
        "patient": _l("patient"),
        "passkey": _l("passkey"),
        "reporttemplate": _l("template"),
        "reportversion": _l("report"),
        "scan": _l("scan"),
        "study": _l("study"),
        "user": _l("account"),
        "watchalarm": _l("alarm"),
    }
)


def audit_rows(
    entries: Sequence[Entry], names: AuditNames, viewer: User, *, fold: bool
) -> list[AuditRow | FoldedRow]:
    """The rows of a page. With `fold`, neighbouring views of the viewer become one row."""
    rows = [_row(entry, names, viewer) for entry in entries]
    if not fold:
        return list(rows)
    found: list[AuditRow | FoldedRow] = []
    for own_view, group in groupby(rows, key=lambda row: row.own_view):
        run = tuple(group)
        found += [FoldedRow(run)] if own_view and len(run) > 1 else run
    return found


def _row(entry: Entry, names: AuditNames, viewer: User) -> AuditRow:
    event = entry.event
    actor = entry.actor or (_("The system") if event.origin in _WITHOUT_PERSON else _("A visitor"))
    key = (event.subject_type, event.subject_id)
    about = names.words.get(key, "")
    if not about and event.subject_id:
        kind = _SUBJECTS.get(event.subject_type, event.subject_type)
        about = _("%(kind)s %(number)s", kind=kind, number=event.subject_id[:8])
    return AuditRow(
        number=event.id,
        at=event.at,
        words=sentence(event.action, who=actor, about=about),
        role=Role(event.actor_role).human if event.actor_role in set(Role) else "",
        action=event.action,
        subject_type=_SUBJECTS.get(event.subject_type, event.subject_type),
        subject_id=event.subject_id,
        subject_url=_page_of(key, names),
        changes=changes_of(names.corrections[event.id]) if event.id in names.corrections else (),
        detail=tuple((name.replace("_", " "), _plain(value)) for name, value in event.detail.items()),
        origin=event.origin,
        own_view=event.action in VIEWS and event.actor_id == viewer.id,
    )


def _page_of(key: tuple[str, str], names: AuditNames) -> str | None:
    """The page of the thing: a scan's, also for its report, or an account's."""
    if key in names.scans:
        return url_for("admin.scan", scan_id=names.scans[key])
    if key in names.users:
        return url_for("admin.user", user_id=names.users[key])
    if key in names.patients:
        return url_for("admin.patient", patient_id=names.patients[key])
    return None


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value)
