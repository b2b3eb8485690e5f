"""What people type stands in the database and nowhere else: no log, queue, outbox or audit log holds a word of it."""

import base64
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
import uuid
import zlib
from datetime import datetime

import pytest
import redis
import sqlalchemy as sa
from bs4 import BeautifulSoup

from csss.audit import anchors, chain
from csss.audit.models import AuditEvent
from csss.audit.verify import verify
from csss.database import db
from csss.outbox import OutboxJob, Queue
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import Clinic, picture
from tests.stack import Stack, eventually

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


class Person:
    """Somebody with a browser without JavaScript, over real HTTP."""

    def __init__(self, stack: Stack) -> None:
        self.url, self.cookies, self._app = stack.url, http.cookiejar.CookieJar(), stack.app
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> tuple[int, str]:
        return self._open(urllib.request.Request(f"{self.url}{path}"))

    def send(self, page: str, path: str, files: dict[str, bytes] | None = None, **fields: object) -> int:
        """Submit a form of `page` to `path`."""
        token = BeautifulSoup(self.get(page)[1], "html.parser").select_one("[name=csrf_token]")
        assert token is not None, page
        values = [
            ("csrf_token", str(token["value"])),
            *((name, str(value)) for name, value in fields.items()),
        ]
        border = uuid.uuid4().hex
        body = b""
        for name, value in values:
            body += f'--{border}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, content in (files or {}).items():
            head = f'--{border}\r\nContent-Disposition: form-data; name="{name}"; filename="x.png"\r\n\r\n'
            body += head.encode() + content + b"\r\n"
        body += f"--{border}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={border}"}
        return self._open(urllib.request.Request(f"{self.url}{path}", body, headers))[0]

    def sign_in(self, email: str, password: str) -> int:
        return self.send("/login", "/login", email=email, password=password)

    def _open(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with self._opener.open(request, timeout=30) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def secrets(self) -> list[str]:
        """The cookie, and the session's key in it."""
        found = []
        for cookie in self.cookies:
            value = str(cookie.value)
            found.append(value)
            with self._app.app_context():
                serializer = self._app.session_interface.get_signing_serializer(self._app)  # type: ignore[attr-defined]
                found.append(serializer.loads(value)["_user_id"])
        return found


def everything_in(url: str) -> bytes:
    """All that Redis holds, packed and unpacked."""
    client, found = redis.Redis.from_url(url), b""
    for key in client.scan_iter("*"):
        found += key + (client.dump(key) or b"")
        if client.type(key) == b"hash":
            for name, value in client.hgetall(key).items():  # type: ignore[union-attr]
                found += name + value
                if name == b"data":
                    found += zlib.decompress(value)
    return found


PASSWORDS = ("password", "wrong", "staff")  # of another word than the name, which no password may hold


def test_a_whole_run_leaves_nothing_that_was_typed_in_logs_queues_and_audit_log(stack: Stack) -> None:
    typed = {
        name: f"{'Zimmerlinde' if name in PASSWORDS else 'Kanarienvogel'}{number}{name}"
        for number, name in enumerate(
            ("password", "wrong", "name", "address", "allergies", "passphrase", "contact", "indication",
             "findings", "impression", "diagnosis", "drug", "notes", "reason", "question", "staff")
        )
    }  # fmt: skip
    phone, wrong_code, secrets = "+49 30 123 987 55", "918273", []
    with stack.app.app_context():
        clinic = Clinic(stack.app)
        staff = {
            role: clinic.person(role, password=typed["staff"], email=f"discreet-{role}@csss.example").email
            for role in ("doctor", "pharmacist", "admin")
        }
        db.session.remove()

    patient = Person(stack)
    register = {
        "email": "discreet@csss.example",
        "name": typed["name"],
        "password": typed["password"],
        "role": "patient",
    }
    more = {"date_of_birth": "1980-02-29", "sex": "female", "phone": phone}
    assert patient.send("/register", "/register", **{**register, "password": "short"}, **more) == 422
    assert patient.send("/register", "/register", **register, **more) == 200
    (mail,) = eventually(lambda: stack.mailbox.to("discreet@csss.example"))  # type: ignore[misc]
    secrets.append(re.search(r"/confirm/(\S+)", mail.get_content()).group(1))  # type: ignore[union-attr]
    assert patient.send(f"/confirm/{secrets[0]}", f"/confirm/{secrets[0]}") == 200
    assert patient.sign_in("discreet@csss.example", typed["wrong"]) == 401
    assert patient.sign_in("discreet@csss.example", typed["password"]) == 200
    record = {"address": typed["address"], "allergies": typed["allergies"], "phone": phone}
    record |= {"emergency_contact_name": typed["contact"], "emergency_contact_phone": phone}
    assert patient.send("/account", "/account", section="profile", name=typed["name"], **record) == 200
    assert (
        patient.send(
            "/account",
            "/account",
            section="passphrase",
            report_passphrase=typed["passphrase"],
            current_password=typed["password"],
        )
        == 200
    )
    wrong = {"current_password": typed["wrong"], "new_password": typed["wrong"]}
    assert patient.send("/account", "/account", section="password", **wrong) == 422
    image = {"file": picture(64, 64)}
    scan = {"kind": "chest_xray", "indication": typed["indication"]}
    assert patient.send("/patient/", "/patient/scans", {"file": b"no picture"}, **scan) == 422
    assert patient.send("/patient/", "/patient/scans", image, **scan) == 200
    assert patient.send("/assistant", "/assistant", question=typed["question"]) in {200, 422}
    with stack.app.app_context():
        scan_id = db.session.scalars(sa.select(Scan.id).where(Scan.indication == typed["indication"])).one()
    assert patient.get(f"/admin/scans/{scan_id}")[0] == 403

    doctor, page = Person(stack), f"/doctor/scans/{scan_id}"
    assert doctor.sign_in(staff["doctor"], typed["staff"]) == 200
    assert doctor.send(page, f"{page}/analyze") == 200
    eventually(lambda: status_of(stack, scan_id) is Status.AI_ANALYZED, 90)
    texts = {name: typed[name] for name in ("findings", "impression", "diagnosis")}
    assert doctor.send(page, f"{page}/verify", **{**texts, "findings": " "}) == 422
    assert doctor.send(page, f"{page}/draft", **texts) == 200
    assert doctor.send(page, f"{page}/verify", **texts, agreement="agree", read_myself="y") == 200
    assert doctor.send(page, f"{page}/read-without-ai", reason=typed["reason"]) == 409
    secrets += doctor.secrets()

    pharmacist, page = Person(stack), f"/pharmacist/scans/{scan_id}"
    assert pharmacist.sign_in(staff["pharmacist"], typed["staff"]) == 200
    line = {
        "drug": typed["drug"],
        "dose": "1 tablet",
        "route": "oral",
        "frequency": "once",
        "duration": "1 day",
    }
    assert pharmacist.send(page, f"{page}/complete", **line, notes=typed["notes"]) == 200
    assert status_of(stack, scan_id) is Status.PHARMACIST_COMPLETED

    admin, page = Person(stack), f"/admin/scans/{scan_id}"
    assert admin.sign_in(staff["admin"], typed["staff"]) == 200
    secrets.append(code := stack.mailbox.code_for(staff["admin"]))
    assert admin.send("/login/code", "/login/code", code=wrong_code) == 422
    assert admin.send("/login/code", "/login/code", code=code) == 200
    assert admin.send(page, f"{page}/code") == 200
    secrets.append(code := stack.mailbox.code_for(staff["admin"], 2))
    shown = re.search(r'name="seen" value="([^"]+)"', admin.get(page)[1])
    assert shown is not None
    assert admin.send(page, f"{page}/approve", seen=shown[1], code=wrong_code) == 422
    stack.kill("worker-reports")
    assert admin.send(page, f"{page}/approve", seen=shown[1], code=code) == 200
    queued = everything_in(stack.settings.redis_url)
    stack.start_worker(Queue.REPORTS)
    eventually(lambda: stack.mailbox.to("discreet@csss.example", "report"), 120)
    secrets += [*patient.secrets(), *admin.secrets()]
    queued += everything_in(stack.settings.redis_url)

    logs = stack.logs()
    with stack.app.app_context():
        kept = [db.session.scalars(sa.select(each)).all() for each in (OutboxJob, AuditEvent)]
        values = [value for each in kept for row in each for value in vars(row).values()]
        told = repr([value for value in values if not isinstance(value, datetime)])
        actions = set(db.session.scalars(sa.select(AuditEvent.action)))
        assert verify([chain.current_key()], anchors.kept(anchors.path())).problems == []
        settings = db.session.scalars(
            sa.select(AuditEvent).where(AuditEvent.action == "settings.changed")
        ).all()
        assert sorted({each.origin for each in settings}) == ["web", "worker"]
        db.session.remove()
    assert b"rq:" in queued and "worker" in logs and len(told) > 1_000
    assert {"access.refused", "session.refused", "code.refused", "mail.sent", "scan.viewed"} <= actions
    for canary in (*typed.values(), phone, "123 987 55", wrong_code, *secrets, stack.settings.secret_key):
        for name, text in (
            ("the logs", logs),
            ("outbox and audit log", told),
            ("Redis", queued.decode("latin-1")),
        ):
            assert not stands_in(text, canary), f"{canary} stands in {name}"
            assert base64.b64encode(canary.encode()).decode().rstrip("=") not in text, name


def stands_in(text: str, canary: str) -> bool:
    """Six digits may be part of an id or of a time by chance; by themselves they are a code."""
    if re.fullmatch(r"\d{6}", canary):
        return re.search(rf"(?<![0-9A-Fa-f.-]){canary}(?![0-9A-Fa-f-])", text) is not None
    return canary in text


def status_of(stack: Stack, scan_id: uuid.UUID) -> Status:
    with stack.app.app_context():
        found = db.session.scalars(sa.select(Scan.status).where(Scan.id == scan_id)).one()
        db.session.remove()
    return found
