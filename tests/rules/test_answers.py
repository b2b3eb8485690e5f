"""What every answer keeps to, whoever asks and whatever for."""

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import gunicorn
import pytest

from csss.paths import ROOT
from tests.rules.opened_pages import answers
from tests.rules.routes import WHO, methods, rules
from tests.rules.site import ROLES, Site

pytestmark = pytest.mark.xdist_group("site")


def test_every_answer_names_its_type_and_its_encoding(site: Site) -> None:
    """And no answer, not even of an error, tells which releases run behind."""
    people = {role: site.visitor(role) for role in (None, *ROLES)}
    releases = {f"/{each.version}" for each in distributions() if each.version.count(".") > 1}
    for rule in rules(site.app):
        role = sorted(WHO[rule.endpoint], key=str)[0]
        if "GET" not in methods(rule) or rule.rule.endswith(".pdf"):
            continue
        for address in (next(iter(site.addresses(rule).values())), f"/nowhere{rule.rule}"):
            answer = people[role].get(address)
            told = f"{address} as {role}"
            if answer.get_data():
                assert answer.content_type, told
                if answer.mimetype.startswith("text/") or answer.mimetype.endswith("+xml"):
                    assert "charset=utf-8" in answer.content_type.lower(), f"{told}: {answer.content_type}"
            assert not {"X-Powered-By", "Server", "Via"} & set(answer.headers.keys()), told
            assert not [release for release in releases if release in str(answer.headers)], told


def test_no_answer_tells_what_runs_behind() -> None:
    assert gunicorn.SERVER == "gunicorn", "a number would tell which release"


def test_password_fields_take_pasting_and_password_managers(site: Site) -> None:
    seen = 0
    for role in (None, *ROLES):
        for name, page in answers(site, role):
            for field in page("input", type="password"):
                seen += 1
                assert not {"onpaste", "readonly", "disabled", "pattern"} & set(field.attrs), name
                assert field.get("autocomplete") in {"current-password", "new-password", "off"}, name
                if field.get("autocomplete") == "off":
                    assert field["name"] == "report_passphrase", f"{name}: {field}"
    assert seen > 3


def test_no_form_asks_for_a_hint_or_a_secret_question(site: Site) -> None:
    asked = re.compile(r"hint|secret question|security question|maiden|first pet", re.IGNORECASE)
    for role in (None, "patient", "admin"):
        for name, page in answers(site, role):
            for label in page("label"):
                assert not asked.search(label.get_text()), name


def test_no_form_sends_a_secret_in_an_address(site: Site) -> None:
    for role in (None, *ROLES):
        for name, page in answers(site, role):
            for form in page("form"):
                if str(form.get("method", "get")).lower() == "get":
                    names = {str(field.get("name")) for field in form(["input", "select", "textarea"])}
                    assert not [each for each in names if re.search("pass|code|token|secret|key", each)], name
                    assert not form("input", type="password"), name


def test_what_runs_is_locked_with_hashes() -> None:
    """Every component down to the last, as the wheel or source whose digest is named."""
    locked = (ROOT / "requirements/run.txt").read_text("utf-8")
    blocks = [block for block in re.split(r"\n(?=\S)", locked) if not block.startswith("#")]
    names = {block.partition("==")[0].strip().lower() for block in blocks}
    assert len(blocks) > 50
    for block in blocks:
        assert re.match(r"[A-Za-z0-9_.\[\]-]+==\S+", block) and "--hash=sha256:" in block, block[:60]
    assert "index-url" not in locked and "://" not in locked
    wanted = tomllib.loads(Path(ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    for each in wanted:
        name = re.match(r"[A-Za-z0-9_.-]+", each)[0].lower()  # type: ignore[index]
        assert {name, name.replace("_", "-")} & names, name
