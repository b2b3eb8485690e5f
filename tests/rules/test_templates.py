"""What every template keeps to, seen in its source."""

import re
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import StrictUndefined

from csss.paths import TEMPLATES

ALL = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*") if path.is_file())
HTML = [name for name in ALL if name.endswith(".html")]
# The report is set in type by WeasyPrint; a browser never sees it, nor does the content security policy.
FOR_BROWSERS = [name for name in HTML if not name.startswith("report/")]


def source(name: str) -> str:
    """Without comments, which say what must not be done."""
    return re.sub(r"\{#.*?#\}", "", (TEMPLATES / name).read_text("utf-8"), flags=re.DOTALL)


def tags(name: str) -> list[str]:
    return re.findall(r"<[a-z][^<>]*>", source(name), flags=re.IGNORECASE | re.DOTALL)


def test_every_template_compiles(app: Flask) -> None:
    for name in ALL:
        app.jinja_env.get_template(name)
    assert app.jinja_env.undefined is StrictUndefined
    assert len(ALL) > 20


@pytest.mark.parametrize("name", FOR_BROWSERS)
def test_no_script_or_style_stands_in_a_template(name: str) -> None:
    text = source(name)
    assert not re.search(r"<style\b", text, re.IGNORECASE)
    assert not re.search(r"\bstyle\s*=", text)
    assert not re.search(r"hx-on\b", text)
    assert not re.search(r"javascript:", text, re.IGNORECASE)
    for tag in tags(name):
        assert not re.search(r"\son[a-z]+\s*=", tag), tag
        assert not tag.startswith("<script") or "src=" in tag, tag


@pytest.mark.parametrize("name", HTML)
def test_nothing_is_marked_safe_by_hand(name: str) -> None:
    """Whatever people typed is escaped. Who needs markup writes it in a template."""
    text = source(name)
    assert not re.search(r"\|\s*safe\b", text)
    assert not re.search(r"autoescape\s+false", text)


@pytest.mark.parametrize("name", FOR_BROWSERS)
def test_every_page_says_its_title(name: str) -> None:
    text = source(name)
    if re.search(r"\{%\s*extends", text) and not name.startswith("layouts/"):
        assert re.search(r"\{%\s*block title\s*%\}\s*\S", text) or "set title" in text, "no title"


@pytest.mark.parametrize("name", FOR_BROWSERS)
def test_every_posting_form_has_its_token(name: str) -> None:
    text = source(name)
    for form in re.findall(r"<form\b.*?</form>", text, flags=re.DOTALL | re.IGNORECASE):
        if re.search(r"""method=["']?post""", form, re.IGNORECASE):
            assert re.search(r"csrf|hidden_tag", form), form[:200]


@pytest.mark.parametrize("name", FOR_BROWSERS)
def test_templates_compare_no_statuses(name: str) -> None:
    """They ask policies and presenters, so that a rule stands in one place."""
    assert not re.search(
        r"PENDING_AI|AI_ANALYZED|DOCTOR_VERIFIED|PHARMACIST_COMPLETED|REPORT_READY", source(name)
    )


def test_fragments_stand_beside_their_page() -> None:
    for name in FOR_BROWSERS:
        for included in re.findall(r"""\{%-?\s*include\s+["']([^"']+)["']""", source(name)):
            assert (TEMPLATES / included).is_file(), f"{name} includes {included}"
            assert Path(included).name.startswith("_"), f"{included} is a fragment: its name begins with _"
