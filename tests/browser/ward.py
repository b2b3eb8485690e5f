"""Somebody of each role, every page that each can open, and a scan in every stage behind them."""

import re
from collections.abc import Callable

from flask import Flask
from playwright.sync_api import Page
from werkzeug.exceptions import HTTPException

from csss.auth.accounts import by_email
from csss.database import db, transaction
from csss.outbox import DISPATCHER
from csss.people.models import User
from csss.people.permissions import PUBLIC
from csss.reports import batches
from csss.reports import services as reports
from csss.scans import analysis, assignments, second_readings, services
from csss.scans.models import Scan
from csss.scans.review_text import ReviewText
from csss.scans.states import HoldFor, Status
from tests.factories import Clinic, reading
from tests.integration.critical import URGENT_TEXT
from tests.stack import Stack

NewPage = Callable[..., Page]
ROLES = ("patient", "doctor", "pharmacist", "admin")


def furnish(stack: Stack) -> dict[str, tuple[str, list[str]]]:
    """For each role an e-mail address and every page it can open, with a scan in every stage behind them."""
    app = stack.app
    with app.app_context():
        clinic = Clinic(app)
        people = {role: clinic.person(role, email=f"axe-{role}@csss.example") for role in ROLES}
        kept, app.extensions[DISPATCHER] = app.extensions[DISPATCHER], lambda row_id, queue: None
        scans = _scans(clinic, people)
        with transaction():
            batches.prepare(
                [scan.id for scan in scans if scan.status is Status.PHARMACIST_COMPLETED], by=people["admin"]
            )
        app.extensions[DISPATCHER] = kept
        emails = {role: user.email for role, user in people.items()}
        return {role: (emails[role], _pages(clinic, app, role, scans)) for role in ROLES}


def _scans(clinic: Clinic, people: dict[str, User]) -> list[Scan]:
    """One in each stage; then one that is uncertain, one whose analysis has failed, one on hold, and a closed one; one with
    a critical result, and two with a second reading, asked for and written."""
    patient, doctor, admin = people["patient"], people["doctor"], people["admin"]
    stages = [clinic.scan(status, patient=patient, doctor=doctor) for status in Status]
    clinic.run_jobs("render_report")
    uncertain = clinic.scan(Status.AI_ANALYZED, patient=patient, result=reading(confidence=0.5))
    failed, closed = clinic.scan(patient=patient), clinic.scan(patient=patient)
    held = clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient, doctor=doctor)
    with transaction():
        run_id = analysis.start(failed.id, by=doctor).id
    with transaction():
        analysis.keep_failure(run_id, "The picture could not be read.")
    with transaction():
        services.close(closed.id, reason="It shows a hand.", by=doctor)
        reports.hold(held.id, to=HoldFor.DOCTOR, note="Which side?", by=admin)
    return [*stages, uncertain, failed, held, closed, *_of_two_doctors(clinic, patient, doctor)]


def _of_two_doctors(clinic: Clinic, patient: User, doctor: User) -> list[Scan]:
    colleague = clinic.person("doctor", email="axe-colleague@csss.example")
    critical, asked, written = (clinic.scan(Status.AI_ANALYZED, patient=patient) for _ in range(3))
    with transaction():
        services.verify(critical.id, URGENT_TEXT, by=doctor)
        assignments.assign(asked.id, to=doctor.id, note="Rare.", by=colleague)
        second_readings.ask(asked.id, ReviewText("A shadow.", "", "Carcinoma"), by=colleague)
        second_readings.ask(written.id, ReviewText("A shadow.", "", "Carcinoma"), by=doctor)
        second_readings.write(written.id, ReviewText("A scar.", "", "Scar"), by=colleague)
    return [critical, asked, written]


def _pages(clinic: Clinic, app: Flask, role: str, scans: list[Scan]) -> list[str]:
    """Every address that answers this role with a whole page: one of each route for each stage of a scan, and one of each
    route that the pages link to (an account, a template, a model, reports chosen together)."""
    user = by_email(f"axe-{role}@csss.example")
    assert user is not None
    visitor, routes = clinic.visitor(user), app.url_map.bind("")
    queue = [
        rule.rule.replace("<uuid:scan_id>", str(scan.id))
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
        if "GET" in (rule.methods or ()) and not rule.arguments - {"scan_id"}
        for scan in (scans if rule.arguments else scans[:1])
        if getattr(app.view_functions[rule.endpoint], "permission", None) is not PUBLIC
        and not rule.rule.startswith("/events")
    ]
    if role == "doctor":
        queue.append(f"/doctor/scans/{scans[1].id}?compare={scans[0].id}")
    found, examples = [], set[str]()
    for address in queue:
        answer = visitor.get(address)
        if answer.status_code != 200 or b"<html" not in answer.get_data()[:200]:
            continue
        found.append(address)
        for link in re.findall(r'href="(/[^"#?]*)"', answer.get_data(as_text=True)):
            try:
                endpoint, values = routes.match(link)
            except HTTPException:
                continue
            if set(values) - {"scan_id"} and endpoint not in examples:
                examples.add(endpoint)
                queue.append(link)
    db.session.remove()
    return found


def signed_in(stack: Stack, new_page: NewPage, ward: dict[str, tuple[str, list[str]]], role: str) -> Page:
    """A page of somebody who is signed in by a cookie: other tests sign in by hand."""
    page = new_page(stack)
    with stack.app.app_context():
        user = by_email(ward[role][0])
        assert user is not None
        cookie = Clinic(stack.app).visitor(user).client.get_cookie("csss")
        assert cookie is not None
    page.context.add_cookies([{"name": "csss", "value": cookie.value, "url": stack.url}])
    return page
