"""Who has no business at an address: every route as somebody whose session is worth nothing, and what is somebody's
own as another of the same role. Who may be there stands in the one table of routes.py."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import update
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import Rule

from csss.auth import sessions
from csss.auth.models import UserSession
from csss.clock import now
from csss.database import db, transaction
from csss.people.models import AccountState, User
from csss.prescriptions import templates
from csss.prescriptions.lines import Line
from csss.scans import report_templates
from csss.scans.uploads import services as upload_services
from tests.integration.world import changed_tables, snapshot
from tests.rules.routes import WHO, Own, methods, rules, send
from tests.rules.site import ROLES, Site
from tests.visitor import Visitor, words

pytestmark = pytest.mark.xdist_group("site")


@contextmanager
def account(user_id: uuid.UUID, state: AccountState) -> Iterator[None]:
    """The account in another state for a while. Sessions are left alone: the state by itself must do."""
    _set(update(User).where(User.id == user_id).values(state=state))
    yield
    _set(update(User).where(User.id == user_id).values(state=AccountState.ACTIVE))


@contextmanager
def session_of(user_id: uuid.UUID, **values: object) -> Iterator[None]:
    """The rows of this person's sessions with other values for a while."""
    theirs = update(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
    _set(theirs.values(**values))
    yield
    back = {"last_used_at": now(), "complete": True, "ended_at": None}
    _set(
        update(UserSession)
        .where(UserSession.user_id == user_id)
        .values({name: back[name] for name in values})
    )


def _set(statement: object) -> None:
    with transaction():
        db.session.execute(statement)  # type: ignore[call-overload]
    db.session.remove()


# Each of these opens no more than no cookie at all; taken back, the same cookie opens everything again.
WORTH_NOTHING: dict[str, Callable[[uuid.UUID], object]] = {
    "unapproved": lambda person: account(person, AccountState.WAITING),
    "refused": lambda person: account(person, AccountState.REFUSED),
    "deactivated": lambda person: account(person, AccountState.DEACTIVATED),
    "expired": lambda person: session_of(person, last_used_at=now() - timedelta(minutes=61)),
    "ended": lambda person: session_of(person, ended_at=now()),
    "second factor pending": lambda person: session_of(person, complete=False),
}


@pytest.mark.parametrize("state", WORTH_NOTHING)
def test_a_session_that_is_worth_nothing_opens_what_nobody_may_open_and_no_more(
    site: Site, state: str
) -> None:
    """Tried with the very person whom a route is for, on what belongs to that person."""
    people = {role: site.visitor(role) for role in ROLES}
    for role, visitor in people.items():
        assert visitor.get("/account").status_code == 200, role
    before = snapshot()
    for role in ROLES:
        with WORTH_NOTHING[state](site.people[role]):  # type: ignore[attr-defined]
            for rule in rules(site.app):
                who = WHO[rule.endpoint]
                if None not in who and role == next(each for each in ROLES if each in who):
                    _is_sent_to_sign_in(people[role], site, rule, state)
    for role, visitor in people.items():
        assert visitor.get("/account").status_code == 200, f"{role}: the test has proved nothing"
    assert changed_tables(before, snapshot()) <= {"user_sessions", "audit_events", "audit_seals"}


def _is_sent_to_sign_in(visitor: Visitor, site: Site, rule: Rule, state: str) -> None:
    address = next(iter(site.addresses(rule).values()))
    for method in methods(rule):
        status, target = send(visitor, method, address)
        assert status == 302 and target.startswith("/login"), f"{method} {rule.rule}, {state}"


def test_a_cookie_that_was_cut_altered_or_signed_by_another_opens_nothing(site: Site) -> None:
    name = site.app.config["SESSION_COOKIE_NAME"]
    whole = site.visitor("admin")
    assert whole.get("/admin/").status_code == 200
    cookie = whole.client.get_cookie(name)
    assert cookie is not None
    middle = len(cookie.value) // 2
    other = "A" if cookie.value[middle] != "A" else "B"
    key = site.app.secret_key
    site.app.secret_key = "a key of somebody else that is long enough"
    foreign = site.visitor("admin").client.get_cookie(name)
    site.app.secret_key = key
    assert foreign is not None
    for value in (
        cookie.value[:-1],
        cookie.value[:middle],
        f"{cookie.value[:middle]}{other}{cookie.value[middle + 1 :]}",
        cookie.value[:-2] + ("AA" if not cookie.value.endswith("AA") else "BB"),
        f"{cookie.value}..",  # base64 would read past letters that are none of its own
        f".{cookie.value}",
        foreign.value,
        "",
        "null",
        "é" * 50,
        "x" * 8000,
    ):
        visitor = Visitor(site.app)
        visitor.client.set_cookie(name, value)
        response = visitor.get("/admin/")
        assert (response.status_code, response.headers["Location"]) == (302, "/login?next=/admin/"), value


# What belongs to one person


def _theirs(site: Site, role: str) -> dict[str, object]:
    """Ids of what belongs to the person of this role alone, made where the site has none."""
    owner = db.session.get_one(User, site.people[role])
    found: dict[str, object] = {}
    with transaction():
        row, _key = sessions.begin(owner, address="", device="", complete=True)
        found["session_id"] = row.id
        if role == "patient":
            found["upload_id"] = upload_services.begin(length=9, digest="", limit=99, by=owner)[0].id
        if role == "pharmacist":
            line = Line("Amoxicillin", "500 mg", "oral", "three times a day", "5 days", "")
            mine = templates.keep(None, name="Mine", lines=[line], notes="", shared=False, by=owner)
            found["preset_id"] = mine.id
    if role == "doctor":
        found["template_id"] = report_templates.of(owner)[0].id
    db.session.remove()
    return found


def _own(role: str) -> set[str]:
    return {endpoint for endpoint, who in WHO.items() if isinstance(who, Own) and role in who.own}


@pytest.mark.parametrize("role", ROLES)
def test_what_is_somebodys_own_does_not_exist_for_another_of_the_same_role(site: Site, role: str) -> None:
    """Neither as a page nor as a fragment, whatever is done to it; and it is there for its owner."""
    theirs = _theirs(site, role)
    stranger, owner = site.visitor(f"another {role}"), site.visitor(role)
    stranger.get("/account")  # sets the cookie
    before = snapshot()
    for rule in rules(site.app):
        if rule.endpoint not in _own(role):
            continue
        nothing = next(iter(site.addresses(rule, **{name: uuid.uuid4() for name in rule.arguments}).values()))
        seen = set()
        for about, address in site.addresses(rule, **theirs).items():
            for method in methods(rule):
                for headers in ({}, {"HX-Request": "true"}):
                    told = f"{method} {rule.rule} ({about or 'as it is'}) with {headers}"
                    answers = [
                        stranger.get(each, headers=headers)
                        if method == "GET"
                        else stranger.post(each, headers=headers, method=method)
                        for each in (address, nothing)
                    ]
                    assert [answer.status_code for answer in answers] == [404, 404], told
                    assert _plain(words(answers[0])) == _plain(words(answers[1])), told
                    assert set(answers[0].headers.keys()) == set(answers[1].headers.keys()), told
            if methods(rule)[0] in {"GET", "HEAD"}:
                seen.add(send(owner, methods(rule)[0], address)[0])
        assert not seen or seen & {200, 204}, f"{rule.rule} is not there for its owner, either: {seen}"
    assert changed_tables(before, snapshot()) <= {"user_sessions", "audit_events", "audit_seals"}


def _plain(text: str) -> str:
    """Without the number of the request, which is another each time."""
    return " ".join(word for word in text.split() if len(word.strip(".")) != 10)


def test_every_id_in_an_address_is_somebodys_own_or_for_a_whole_role(site: Site) -> None:
    """A new route with an id has to say which: these may be looked at by everybody of the role."""
    shared = {
        "scan_id",
        "user_id",
        "message_id",
        "job_id",
        "invitation_id",
        "alarm_id",
        "patient_id",
        "merge_id",
    }
    for rule in rules(site.app):
        ids = {name for name in rule.arguments if name.endswith("_id")}
        patients = "patient" in WHO[rule.endpoint] and ids
        assert isinstance(WHO[rule.endpoint], Own) or not (patients or ids - shared), rule.rule


def test_no_method_but_the_declared_ones_is_answered(site: Site) -> None:
    adapter, nobody = site.app.url_map.bind(""), site.visitor(None)
    for rule in rules(site.app):
        address = next(iter(site.addresses(rule).values()))
        known = set(adapter.allowed_methods(address))
        assert known <= {"GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE"}, rule.rule
        for method in ("TRACE", "PUT", "CONNECT", "PROPFIND"):
            with pytest.raises(MethodNotAllowed):
                adapter.match(address, method=method)
    for method in ("TRACE", "PUT", "DELETE", "PROPFIND"):
        # DELETE is known to the guard against forged forms, which comes first.
        assert nobody.client.open("/login", method=method).status_code in {400, 405}, method
