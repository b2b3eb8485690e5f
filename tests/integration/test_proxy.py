"""`deploy/nginx.conf` in front of the real web server: people work through it, and nothing slow gets past it."""

import http.client
import http.cookiejar
import io
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from csss.auth.models import UserSession
from csss.database import db
from csss.people.models import User
from tests.conftest import IN_CI
from tests.factories import PASSWORD, Clinic, picture
from tests.stack import Stack, eventually, free_port, make_certificate

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
VISITOR = "127.0.0.5"  # tells the browser's address from the proxy's
WANTED = "Mary-Example"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("proxy"),
    pytest.mark.skipif(
        not NGINX and not IN_CI, reason="There is no nginx here: deploy/nginx.conf is not tried."
    ),
]


class Site:
    """The web server with nginx before it."""

    def __init__(self, folder: Path, migrated: Path) -> None:
        self.folder, self.http, self.https = folder, free_port(), free_port()
        self.certificate = make_certificate(folder)
        shutil.copy(migrated, folder / "csss.db")
        self.stack = Stack(
            folder, base_url=f"https://127.0.0.1:{self.https}", trusted_proxies=1, web_threads=2
        )
        self.stack.start_redis()
        self.stack.start_web()
        self.stack._spawn("nginx", [str(NGINX), "-c", str(self._configuration())])
        self.trust = ssl.create_default_context(cafile=str(self.certificate))
        eventually(self._answers, 120)

    def _configuration(self) -> Path:
        """The file as it is, with the places of this test for those of a server."""
        text = CONFIGURATION.read_text("utf-8")
        for theirs, ours in {
            "server 127.0.0.1:8000;": f"server 127.0.0.1:{self.stack.settings.port};",
            "listen 80;": f"listen 127.0.0.1:{self.http};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.https} ssl",
            "/etc/ssl/csss/fullchain.pem": str(self.certificate),
            "/etc/ssl/csss/key.pem": str(self.certificate),
            "/var/log/nginx/": f"{self.folder}/nginx-",
            "/run/nginx-csss": f"{self.folder}/bodies",
        }.items():
            assert theirs in text
            text = text.replace(theirs, ours)
        (self.folder / "csss.conf").write_text(text, "utf-8")
        others = "".join(
            f"{each}_temp_path {self.folder}/{each};" for each in ("proxy", "fastcgi", "uwsgi", "scgi")
        )
        main = self.folder / "nginx.conf"
        main.write_text(
            f"{'user root;' if os.geteuid() == 0 else ''} daemon off; pid {self.folder}/nginx.pid;\n"
            f"error_log {self.folder}/nginx-main.log; events {{}}\n"
            f"http {{ {others} include {self.folder}/csss.conf; }}\n",
            "utf-8",
        )
        return main

    def _answers(self) -> bool:
        try:
            with self.open("/healthz") as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def open(self, path: str, timeout: float = 5) -> "http.client.HTTPResponse":
        url = f"https://127.0.0.1:{self.https}{path}"
        return urllib.request.urlopen(url, timeout=timeout, context=self.trust)  # type: ignore[no-any-return]

    def line(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.https), 20, source_address=(VISITOR, 0))
        return self.trust.wrap_socket(plain, server_hostname="127.0.0.1")

    def connections_behind(self) -> int:
        """How many connections the application has, of the proxy or anybody else."""
        port = f":{self.stack.settings.port:04X}"
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(port) and row[3] == "01" for row in rows)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("proxy")
    site = None
    try:
        site = Site(folder, migrated_sqlite)
        with site.stack.app.app_context():
            yield site
    except BaseException:
        print("\n".join(path.read_text(errors="replace") for path in folder.glob("*.log"))[-6000:])
        raise
    finally:
        if site is not None:
            site.stack.mailbox.start()  # `stop` ends it, too
            site.stack.stop()


class _FromVisitor(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(
            partial(http.client.HTTPSConnection, source_address=(VISITOR, 0)), request, context=self._context
        )  # type: ignore[attr-defined]


class Browser:
    """A person who signs in, sends a picture and listens, through the proxy."""

    def __init__(self, site: Site) -> None:
        self._site, self.cookies = site, http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            _FromVisitor(context=site.trust),
            urllib.request.HTTPCookieProcessor(self.cookies),
        )
        self.token = ""

    def ask(self, path: str, data: bytes | None = None, method: str = "", **headers: str):  # type: ignore[no-untyped-def]
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.example"}  # nobody believes it
        request = urllib.request.Request(
            f"https://127.0.0.1:{self._site.https}{path}", data, sent, method=method or None
        )
        return self._opener.open(request, timeout=60)

    def page(self, path: str) -> str:
        text: str = self.ask(path).read().decode()
        if found := re.search(r'name="csrf_token"[^>]*value="([^"]+)"', text):
            self.token = found[1]
        return text

    def post(self, path: str, **fields: str) -> str:
        """Where it leads to."""
        values = urlencode({"csrf_token": self.token, **fields}).encode()
        return str(self.ask(path, values).geturl())

    def sign_in(self, user: User) -> None:
        self.page("/login")
        assert self.post("/login", email=user.email, password=PASSWORD).endswith("/patient/")
        self.page("/patient/")

    @property
    def cookie(self) -> str:
        return "; ".join(f"{each.name}={each.value}" for each in self.cookies)


def test_a_patient_signs_in_sends_a_picture_in_pieces_and_hears_of_changes(site: Site) -> None:
    patient = Clinic(site.stack.app).person("patient")
    browser = Browser(site)
    browser.sign_in(patient)
    assert {each.name for each in browser.cookies if each.secure} == {"__Host-csss"}

    with closing(site.line()) as events:
        head = f"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {browser.cookie}\r\n\r\n"
        events.sendall(head.encode())
        heard = io.BytesIO()

        def hears(word: bytes) -> bool:
            if word not in heard.getvalue():
                heard.write(events.recv(65_536))
            return word in heard.getvalue()

        eventually(lambda: hears(b"event: ready"), 30)

        content = picture(900, 900)
        form = {"X_CSRFToken": browser.token}
        begun = browser.ask("/patient/uploads", b"", "POST", Upload_Length=str(len(content)), **form)
        url = begun.headers["Location"]
        half = len(content) // 2
        for at, piece in ((0, content[:half]), (half, content[half:])):
            answer = browser.ask(
                url,
                piece,
                "PATCH",
                Upload_Offset=str(at),
                Content_Type="application/offset+octet-stream",
                **form,
            )
            assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(at + len(piece)))
        scan = browser.post(
            "/patient/scans", kind="chest_xray", indication="Cough", upload=url.rpartition("/")[2]
        )
        assert re.search(r"/patient/scans/[0-9a-f-]{36}$", scan)
        eventually(lambda: hears(b"data: "), 30)
        eventually(lambda: hears(scan[-36:].encode()), 30)


def test_the_application_learns_the_visitors_address_and_believes_nothing_else(site: Site) -> None:
    patient = Clinic(site.stack.app).person("patient", email="from.elsewhere@csss.example")
    Browser(site).sign_in(patient)
    db.session.remove()
    of_patient = select(UserSession.address).where(UserSession.user_id == patient.id)
    assert set(db.session.scalars(of_patient)) == {VISITOR}


def test_http_leads_to_https(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.http), 20) as line:
        line.sendall(b"GET /login HTTP/1.1\r\nHost: csss.example\r\n\r\n")
        heard = line.recv(65_536)
    assert heard.startswith(b"HTTP/1.1 301 ") and b"Location: https://csss.example/login\r\n" in heard


def test_a_request_larger_than_any_picture_is_refused_by_the_proxy(site: Site) -> None:
    with closing(site.line()) as line:
        line.sendall(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 75000000\r\n\r\n")
        assert line.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_what_somebody_searched_for_stands_in_no_log_of_the_proxy(site: Site) -> None:
    site.open(f"/login?q={WANTED}").close()
    log = site.folder / "nginx-csss.log"
    eventually(lambda: '"GET /login" 200' in log.read_text(), 20)
    assert not any(WANTED in each.read_text(errors="replace") for each in site.folder.glob("nginx-*.log"))


HALVES = [
    b"",
    b"GET /logi",
    b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\nemail=",
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n\r\nemail=",
    b"PATCH /patient/uploads/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Length: 5000\r\n\r\nx",
]


def test_of_a_flood_of_half_requests_nothing_reaches_the_application(site: Site) -> None:
    eventually(lambda: site.connections_behind() <= 3, 90)  # streams of the tests before have ended
    before = site.connections_behind()
    flood = []
    try:
        for number in range(60):
            flood.append(site.line())
            flood[-1].sendall(HALVES[number % len(HALVES)])
        began = time.monotonic()
        site.open("/login", timeout=30).close()
        assert time.monotonic() - began < 5
        assert site.connections_behind() <= before + 1, "the one of that page"
    finally:
        for each in flood:
            each.close()


def test_it_is_correct_as_it_stands(site: Site) -> None:
    checked = subprocess.run(
        [str(NGINX), "-t", "-c", str(site.folder / "nginx.conf")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0 and "[warn]" not in checked.stderr, checked.stderr
