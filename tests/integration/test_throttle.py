"""How often strangers may try, on which counts, and that neither a dead Redis nor a wrong header changes it."""

import logging
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis
from flask import Flask
from limits import parse
from sqlalchemy import select
from werkzeug.test import TestResponse

from csss.audit.models import AuditEvent
from csss.auth.secrets import keyed_hash
from csss.clock import now, pretending
from csss.database import db
from csss.jobs.queues import connect, init_jobs
from csss.throttle.models import ThrottleCounter
from csss.throttle.storage import STORE, DatabaseStorage, Store, init_store, sweep_expired
from csss.web.auth import code_routes, forgotten, registering, routes
from csss.web.throttle import limiter, network_of
from tests.factories import PASSWORD, Clinic
from tests.redis_server import own_redis
from tests.visitor import Visitor, soup, words

HERE, ELSEWHERE = "192.0.2.7", "198.51.100.4"


def try_password(
    visitor: Visitor, email: str, password: str = "a wrong password", address: str = HERE, **more: Any
) -> TestResponse:
    return visitor.post(
        "/login",
        {"email": email, "password": password},
        environ_base={"REMOTE_ADDR": address},
        **more,
    )


def use_up(limit: str, scope: str, key: str, *, but: int = 0) -> None:
    """As if this had been tried as often as it may be, or a few times less."""
    item = parse(limit)
    limiter.limiter.hit(item, "csss", key, scope, cost=item.amount - but)


def key_of(email: str) -> str:
    return keyed_hash("throttle", email)[:32]


# Signing in


def test_the_eleventh_wrong_password_in_a_row_has_to_wait(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("doctor").email
    other = clinic.person("doctor").email
    for _ in range(10):
        assert try_password(nobody, email).status_code == 401
    answer = try_password(nobody, email)
    assert answer.status_code == 429
    assert "Too many wrong passwords. Wait 15 minutes, then try again." in words(answer)
    assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60
    page = soup(answer)
    assert page.select_one("input[name=email]")["value"] == email  # type: ignore[index]
    assert not page.select_one("input[name=password]").get("value")  # type: ignore[union-attr]
    # htmx gets the same as a fragment.
    fragment = try_password(nobody, email, htmx=True)
    assert fragment.status_code == 429 and soup(fragment).html is None and "Retry-After" in fragment.headers
    assert "Wait 15 minutes" in words(fragment)
    # It holds for the right password, too, and in capitals; not for others, and not for the owner elsewhere.
    assert try_password(nobody, email, PASSWORD).status_code == 429
    assert try_password(nobody, f" {email.upper()}", PASSWORD).status_code == 429
    assert try_password(Visitor(clinic.app), other, PASSWORD).status_code == 303
    assert try_password(Visitor(clinic.app), email, PASSWORD, ELSEWHERE).status_code == 303
    # A flood fills no audit log.
    throttled = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "request.throttled")).all()
    assert [event.detail for event in throttled] == [{"scope": "sign-in.here"}]


def test_after_a_quarter_of_an_hour_the_way_is_free(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("doctor").email
    use_up(routes.WRONG_PASSWORDS_HERE, "sign-in.here", f"{key_of(email)}@{HERE}")
    assert try_password(nobody, email, PASSWORD).status_code == 429
    with pretending(now() + timedelta(minutes=15, seconds=1)):
        assert try_password(nobody, email, PASSWORD).status_code == 303


def test_who_signs_in_may_be_wrong_ten_times_again(clinic: Clinic) -> None:
    email = clinic.person("doctor").email
    for _ in range(2):
        use_up(routes.WRONG_PASSWORDS_HERE, "sign-in.here", f"{key_of(email)}@{HERE}", but=2)
        assert try_password(Visitor(clinic.app), email).status_code == 401
        assert try_password(Visitor(clinic.app), email, PASSWORD).status_code == 303


def test_strangers_from_everywhere_do_not_lock_the_owner_out(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("doctor").email
    assert try_password(Visitor(clinic.app), email, PASSWORD, HERE).status_code == 303
    use_up(routes.WRONG_PASSWORDS_ELSEWHERE, "sign-in.account", key_of(email), but=3)
    for number in range(3):
        assert try_password(nobody, email, address=f"203.0.113.{number}").status_code == 401
    assert try_password(nobody, email, PASSWORD, "203.0.113.99").status_code == 429
    assert try_password(Visitor(clinic.app), email, PASSWORD, HERE).status_code == 303


def test_one_address_cannot_try_many_accounts(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("doctor").email
    use_up(routes.WRONG_PASSWORDS_OF_AN_ADDRESS, "sign-in.address", HERE, but=3)
    for number in range(3):
        assert try_password(nobody, f"person{number}@csss.example").status_code == 401
    assert try_password(nobody, email, PASSWORD).status_code == 429
    assert try_password(nobody, email, PASSWORD, ELSEWHERE).status_code == 303


@pytest.mark.parametrize(
    "spelling", ["\x01{}", "{}\x7f", "\t {} \n", "UPPER", "doctor@csss．example", "doctor@ＣＳＳＳ.example"]
)
def test_no_spelling_of_an_address_brings_further_tries(
    clinic: Clinic, nobody: Visitor, spelling: str
) -> None:
    email = clinic.person("doctor", email="doctor@csss.example").email
    typed = email.upper() if spelling == "UPPER" else spelling.format(email)
    use_up(routes.WRONG_PASSWORDS_HERE, "sign-in.here", f"{key_of(email)}@{HERE}")
    use_up(forgotten.LINKS_FOR_AN_ACCOUNT, "reset.account", key_of(email))
    assert try_password(nobody, typed, PASSWORD).status_code == 429
    assert nobody.post("/forgot-password", {"email": typed}).status_code == 429


def test_another_site_cannot_use_up_somebodys_tries(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("doctor").email
    for _ in range(12):
        forged = nobody.post("/login", {"email": email, "password": "wrong", "csrf_token": ""})
        assert forged.status_code == 400
    assert nobody.post("/login", {"email": email, "password": PASSWORD}).status_code == 303


def test_no_counter_tells_an_address_of_a_person(clinic: Clinic, nobody: Visitor) -> None:
    try_password(nobody, "kavya@csss.example")
    keys = db.session.scalars(select(ThrottleCounter.key)).all()
    assert len(keys) == 3 and not any("kavya" in key for key in keys)


# Where somebody comes from


def test_without_a_trusted_proxy_nobody_chooses_the_own_address(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("doctor").email
    answers = [
        try_password(nobody, email, headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in range(11)
    ]
    assert answers == [401] * 10 + [429]


@pytest.mark.parametrize("settings", [{"trusted_proxies": 1}], indirect=True)
def test_behind_a_trusted_proxy_the_address_that_it_saw_counts(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("doctor").email

    def try_from(address: str, invented: int) -> int:
        forwarded = {"X-Forwarded-For": f"203.0.113.{invented}, {address}"}
        return try_password(nobody, email, headers=forwarded).status_code

    assert [try_from(HERE, number) for number in range(11)] == [401] * 10 + [429]
    assert try_from(ELSEWHERE, 1) == 401


def test_a_line_with_many_ipv6_addresses_is_one() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("::ffff:192.0.2.7") == network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("") == "unknown"


# The other forms


@pytest.mark.parametrize(
    ("address", "limit", "scope", "form", "sentence"),
    [
        (
            "/register",
            registering.ACCOUNTS_OF_AN_ADDRESS,
            "register.address",
            {"name": "Kavya"},
            "Many accounts",
        ),
        (
            "/forgot-password",
            forgotten.LINKS_FOR_AN_ADDRESS,
            "reset.address",
            {"email": "k@csss.example"},
            "Many links",
        ),
    ],
)
def test_a_form_that_is_sent_too_often_comes_back_with_what_was_typed(
    nobody: Visitor, address: str, limit: str, scope: str, form: dict[str, str], sentence: str
) -> None:
    use_up(limit, scope, "127.0.0.1")
    for htmx in (False, True):
        answer = nobody.post(address, form, htmx=htmx)
        assert answer.status_code == 429 and sentence in words(answer) and "Retry-After" in answer.headers
        ((name, value),) = form.items()
        assert soup(answer).select_one(f"input[name={name}]")["value"] == value  # type: ignore[index]
        assert (soup(answer).html is None) == htmx
    assert nobody.get(address).status_code == 200


def test_codes_from_one_address_are_limited_whoever_they_are_for(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("admin").email
    nobody.post("/login", {"email": email, "password": PASSWORD})
    assert nobody.post("/login/code", {"code": "000000"}).status_code == 422
    use_up(code_routes.WRONG_CODES_OF_AN_ADDRESS, "code.address", "127.0.0.1")
    answer = nobody.post("/login/code", {"code": "123456"})
    assert answer.status_code == 429 and "Too many codes" in words(answer) and "Retry-After" in answer.headers
    use_up(code_routes.CODES_FOR_AN_ADDRESS, "code-mail.address", "127.0.0.1")
    assert nobody.post("/login/code/send").status_code == 429


def test_at_a_screen_left_open_the_password_cannot_be_guessed(doctor: Visitor) -> None:
    form = {"section": "password", "current_password": "wrong", "new_password": "a new long password"}
    for _ in range(10):
        assert doctor.post("/account", form).status_code == 422
    answer = doctor.post("/account", {**form, "current_password": PASSWORD})
    assert answer.status_code == 429 and "Too many wrong passwords" in words(answer)
    assert doctor.post("/account", {"section": "profile", "name": "Dr. Other Name"}).status_code == 303


# The stores


@pytest.mark.both_databases
def test_the_database_counts_exactly_however_many_try_at_once(app: Flask) -> None:
    start = threading.Barrier(4)

    def count() -> None:
        with app.app_context():
            start.wait(timeout=20)
            for _ in range(5):
                DatabaseStorage().incr("key", 60)
            db.session.remove()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert DatabaseStorage().get("key") == 20


@pytest.mark.both_databases
def test_a_window_of_the_database_ends_and_is_swept_away(app: Flask) -> None:
    store = DatabaseStorage()
    assert (store.incr("one", 60), store.incr("one", 60, 3), store.get("one")) == (1, 4, 4)
    assert abs(store.get_expiry("one") - (now() + timedelta(seconds=60)).timestamp()) < 5
    with pretending(now() + timedelta(seconds=61)):
        assert store.get("one") == 0
        assert store.incr("one", 60) == 1
        assert sweep_expired() == 0
    store.incr("two", 1)
    with pretending(now() + timedelta(seconds=2)):
        assert sweep_expired() == 1
    store.clear("one")
    assert store.get("one") == 0 and store.reset() == 0


@pytest.fixture
def redis_server() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Redis of our own, to be killed."""
    with own_redis() as found:
        yield found


def test_processes_count_together_in_redis_and_in_the_database_once_it_dies(
    clinic: Clinic,
    nobody: Visitor,
    redis_server: tuple[str, subprocess.Popen[bytes]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, (url, server) = clinic.app, redis_server
    app.config["CSSS"] = replace(app.config["CSSS"], redis_url=url)
    init_jobs(app)
    init_store(app)
    email = clinic.person("doctor").email
    for _ in range(5):
        assert try_password(nobody, email).status_code == 401
    app.extensions[STORE] = Store(connect(url))  # what another process has
    for _ in range(5):
        assert try_password(nobody, email).status_code == 401
    assert try_password(nobody, email).status_code == 429
    client = redis.Redis.from_url(url)
    keys = [key.decode() for key in client.keys("csss:throttle*")]
    assert keys and all(0 < client.ttl(key) <= 15 * 60 for key in keys)
    assert not any(email in key for key in keys)
    assert db.session.scalars(select(ThrottleCounter)).all() == []

    server.kill()
    server.wait(10)
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr("csss.throttle.storage.REST_SECONDS", 600.0)  # however long all this takes
    # Nobody is refused for that, and nobody gets in: the windows begin anew, in the database.
    for _ in range(10):
        assert try_password(nobody, email).status_code == 401
    assert try_password(nobody, email, PASSWORD).status_code == 429
    assert len([each for each in caplog.records if "the database does" in each.getMessage()]) == 1
