"""What a walk needs around it: people and scans in the state that a task begins with, and who has come in."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Page, Request, expect
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from csss.auth.accounts import by_email
from csss.database import db
from csss.outbox import DISPATCHER
from csss.people.models import User
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.browser.hands import Hand, Keyboard
from tests.factories import Clinic
from tests.stack import Stack, eventually

T = TypeVar("T")
Then = Callable[["Crowd", dict[str, User], Scan], object]


class Crowd(Clinic):
    """A clinic beside others in the same database: nobody's address is given twice."""

    def person(self, role: str, **more: Any) -> User:  # type: ignore[override]
        return super().person(role, **{"email": f"{role}-{uuid.uuid4().hex[:10]}@csss.example", **more})


class Scene:
    """One task of one person, in a browser of their own."""

    def __init__(self, stack: Stack, page: Page, hand: Hand, folder: Path) -> None:
        self.stack, self.page, self.hand, self.folder = stack, page, hand, folder
        self.email = self.patient = ""
        self._seen: set[str] = set()
        self._routes = stack.app.url_map.bind("127.0.0.1")
        page.context.on("request", self._note)  # of its other windows, too
        page.once("close", lambda _: page.context.remove_listener("request", self._note))

    def _note(self, request: Request) -> None:
        if not request.url.startswith(self.stack.url):
            return
        path = request.url.removeprefix(self.stack.url).partition("?")[0].partition("#")[0]
        try:
            endpoint, _ = self._routes.match(path, request.method)
        except (HTTPException, RequestRedirect):
            return
        self._seen.add(f"{request.method} {endpoint}")

    def has_asked_for(self, addresses: set[str]) -> None:
        """Each of these (a method and an endpoint) was really asked for; what a page says when left, a moment later."""
        try:
            eventually(lambda: addresses <= self._seen or self.page.wait_for_timeout(50), 30, 0.01)
        except AssertionError:
            raise AssertionError(f"never asked for: {sorted(addresses - self._seen)}") from None

    @contextmanager
    def clinic(self) -> Iterator[Crowd]:
        """To make people and scans. The workers of the stack are told of nothing that is made here."""
        app = self.stack.app
        with app.app_context():
            kept, app.extensions[DISPATCHER] = app.extensions[DISPATCHER], lambda row_id, queue: None
            try:
                yield Crowd(app)
            finally:
                app.extensions[DISPATCHER] = kept
                db.session.remove()

    def come_in(self, user: User) -> None:
        """By the cookie: signing in by hand is a task of its own."""
        self.email = user.email
        cookie = Clinic(self.stack.app).visitor(user).client.get_cookie("csss")
        assert cookie is not None
        self.page.context.add_cookies([{"name": "csss", "value": cookie.value, "url": self.stack.url}])

    def as_a(self, role: str, **more: Any) -> None:
        with self.clinic() as clinic:
            self.come_in(clinic.person(role, **more))

    def case(self, role: str, status: Status, then: Then | None = None, **more: Any) -> uuid.UUID:
        """The scan of a patient whose name nobody else has (`patient`), before somebody of this role who has come in.
        `then` does more with it: it is given the clinic, everybody by role, and the scan."""
        self.patient = f"Pat {uuid.uuid4().hex[:8].title()}"
        with self.clinic() as clinic:
            people = {each: clinic.person(each) for each in ("doctor", "pharmacist", "admin")}
            people["patient"] = clinic.person("patient", name=self.patient)
            scan = clinic.scan(status, **people, **more)
            scan_id, user_id = scan.id, people[role].id
            if then is not None:
                then(clinic, people, scan)
            self.come_in(db.session.get_one(User, user_id))  # anew: a job ends the session that it is done in
            return scan_id

    def look(self, question: Callable[[], T]) -> T:
        """Ask the database, as it stands now."""
        with self.stack.app.app_context():
            db.session.rollback()
            return question()

    def me(self) -> User:
        """Inside `look` and `clinic`."""
        user = by_email(self.email)
        assert user is not None
        return user

    def becomes(self, scan_id: uuid.UUID, status: Status) -> None:
        """The scan is moved on, within a while."""

        def there() -> bool:
            return self.look(
                lambda: db.session.get_one(Scan, scan_id, populate_existing=True).status is status
            )

        eventually(there, 90)

    def reads(self, words: str, within: str = "body") -> None:
        """These words stand on the page."""
        expect(self.page.locator(within).get_by_text(words).first).to_be_visible()

    def until(self, words: str, within: str = "body") -> None:
        """Look again, as a person does whose page does not renew itself, until these words stand there."""
        wanted = self.page.locator(within).get_by_text(words).first

        def there() -> bool:
            if wanted.is_visible():
                return True
            self.page.wait_for_timeout(300)
            if not self.runs_script:
                self.page.reload()
            return False

        eventually(there, 90)

    @property
    def runs_script(self) -> bool:
        return isinstance(self.hand, Keyboard)
