"""The mail log and the audit log."""

import re
import uuid

import pytest
from sqlalchemy import select, update

from csss.audit.models import AuditEvent
from csss.clock import now
from csss.database import db, transaction
from csss.errors import StateConflict
from csss.notices.models import MailKind, MailMessage, MailState
from csss.notices.services import send_again
from csss.paths import TEMPLATES
from csss.scans.states import Status
from csss.web.admin.logs.audit_sentences import ACTION_SENTENCES
from csss.web.admin.logs.forms import ACTION_GROUPS
from tests.factories import Clinic
from tests.integration.administrator import url
from tests.visitor import Visitor, words

# The mail log


@pytest.mark.both_databases
def test_the_mail_log_tells_how_far_each_message_has_come(admin: Visitor, clinic: Clinic) -> None:
    clinic.person("patient", name="Asha")
    clinic.run_jobs()
    with transaction():
        db.session.execute(
            update(MailMessage).values(
                state=MailState.FAILED, last_error="550 No such <user>", attempts=1, sent_at=None
            )
        )
    page = admin.page("/admin/mail?q=asha&kind=confirm_address&state=failed")
    (row,) = page.select("#mail tbody tr")
    text = " ".join(row.get_text(" ").split())
    assert "Address to confirm" in text and "It was given up after 1 try: 550 No such <user>" in text
    action = row.select_one("form")["action"]
    assert admin.post(action).headers["Location"] == "/admin/mail?q=asha&kind=confirm_address&state=failed"
    clinic.run_jobs()
    assert "The mail server accepted it on" in words(admin.get("/admin/mail?q=asha&state=sent"))
    assert admin.post(action).status_code == 409


def test_a_code_is_never_sent_again(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    admin.post(url(scan_id, "code"))
    message = db.session.scalars(select(MailMessage).where(MailMessage.kind == MailKind.CODE)).one()
    message_id = message.id
    with transaction():
        db.session.get_one(MailMessage, message_id).state = MailState.FAILED
    assert admin.page("/admin/mail?kind=code").select("#mail form") == []
    assert admin.post(f"/admin/mail/{message_id}/again").status_code == 409
    assert admin.post(f"/admin/mail/{uuid.uuid4()}/again").status_code == 404
    with pytest.raises(StateConflict), transaction():
        send_again(message_id, by=admin.user)
    assert "could not be sent" in words(admin.get(url(scan_id)))


# The audit log


@pytest.mark.both_databases
def test_the_audit_log_is_searched(admin: Visitor, clinic: Clinic) -> None:
    doctor = clinic.person("doctor", name="Dr. Looked For")
    scan_id = clinic.scan(Status.AI_ANALYZED, doctor=doctor).id

    def found(query: str) -> list[str]:
        rows = admin.page(f"/admin/audit?{query}").select("#audit tbody tr")
        return [row.select_one("a[href*='action=']").get_text() for row in rows]

    assert set(found("action=scan.")) == {"scan.submitted", "scan.status_changed", "scan.analysis_requested"}
    assert set(found("action=scan.status_changed")) == {"scan.status_changed"}
    assert found("action=scan%25") == []
    assert set(found("person=looked")) == {
        "account.registered",
        "scan.analysis_requested",
        "scan.status_changed",
    }
    assert set(found(f"subject={scan_id}&person=looked")) == {
        "scan.analysis_requested",
        "scan.status_changed",
    }
    assert found("from=2999-01-01") == [] and found("to=2001-01-01") == []
    assert found("from=2001-01-01&to=9999-12-31") and found("from=nonsense&before=x")
    page = admin.page("/admin/audit?action=scan.status_changed")
    assert page.select_one("#action option[selected]")["value"] == "scan.status_changed"
    row = page.select_one("#audit tbody tr")
    assert row.select_one(f"a[href='{url(scan_id)}']") is not None
    assert "AI_ANALYZED" in row.get_text() and "Dr. Looked For" in row.get_text()


def test_the_audit_log_goes_back_page_by_page_without_gaps(admin: Visitor, clinic: Clinic) -> None:
    with transaction():
        moment = now()  # all at the very same time: the number decides
        for number in range(120):
            event = AuditEvent(at=moment, action="session.began", origin="10.0.0.1", detail={"n": number})
            db.session.add(event)
    address, seen = "/admin/audit?action=session.", []
    while address:
        page = admin.page(address)
        seen += [row["id"] for row in page.select("#audit tbody tr")]
        older = page.select_one("#audit a[rel=next]")
        address = older["href"] if older else ""
    assert len(seen) == len(set(seen)) == 120
    assert admin.page("/admin/audit?action=session.&before=999999").select("#audit tbody tr")


def recorded_actions() -> set[str]:
    package = TEMPLATES.parent / "csss"
    source = "\n".join(path.read_text() for path in package.rglob("*.py"))
    actions = set(re.findall(r'record(?:_once)?\(\s*"([a-z_]+\.[a-z_]+)"', source))
    actions |= set(re.findall(r'"(scan\.[a-z]+_viewed)"', source))
    assert len(actions) > 20
    return actions


def test_every_action_that_is_recorded_has_words() -> None:
    assert recorded_actions() - set(ACTION_SENTENCES) == set()


def test_every_action_that_is_recorded_can_be_chosen_in_the_filter(admin: Visitor) -> None:
    groups = {action.partition(".")[0] + "." for action in recorded_actions() | set(ACTION_SENTENCES)}
    assert groups - set(ACTION_GROUPS) == set(), "actions that no choice of the audit log finds"
    assert set(ACTION_GROUPS) - groups == set(), "choices that find nothing"
    offered = {
        option["value"]: option.get_text() for option in admin.page("/admin/audit").select("#action option")
    }
    assert set(offered) == {"", *ACTION_GROUPS}
    assert len(set(offered.values())) == len(offered), "two groups that nobody can tell apart"
    assert offered["prescription_template."] == "Prescription templates"
