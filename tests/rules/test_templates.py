"""What every template keeps to, seen in its source."""

import re
from pathlib import Path

from flask import Flask
from jinja2 import StrictUndefined, nodes

import csss
from csss.paths import TEMPLATES
from tests.tables import for_each

ALL = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*") if path.is_file())
HTML = [name for name in ALL if name.endswith(".html")]
# The report is set in type by WeasyPrint; a browser never sees it, nor does the content security policy.
FOR_BROWSERS = [name for name in HTML if not name.startswith("report/")]
BLOCKS = {"block", "call", "filter", "for", "if", "macro", "set", "trans", "with"}
# How a component shows in a tag that was written by hand.
COMPONENT_MARKS = re.compile(
    r"<table\b|<t[rdh] role=|role=[\"']alert|<p class=[\"']muted"
    r"|class=[\"'](?:alert|caution|empty-state|htmx-indicator|spinner)\b"
)
# Where the script says what went wrong with a request; it is empty when the page comes.
FRAME = {'<div id="page-message" class="page-message" role="alert">'}


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


@for_each("name", FOR_BROWSERS)
def test_no_script_or_style_stands_in_a_template(name: str) -> None:
    text = source(name)
    assert not re.search(r"<style\b", text, re.IGNORECASE)
    assert not re.search(r"\bstyle\s*=", text)
    assert not re.search(r"hx-on\b", text)
    assert not re.search(r"javascript:", text, re.IGNORECASE)
    for tag in tags(name):
        assert not re.search(r"\son[a-z]+\s*=", tag), tag
        assert not tag.startswith("<script") or "src=" in tag, tag


@for_each("name", HTML)
def test_nothing_is_marked_safe_by_hand(name: str) -> None:
    """Whatever people typed is escaped. Who needs markup writes it in a template."""
    text = source(name)
    assert not re.search(r"\|\s*safe\b", text)
    assert not re.search(r"autoescape\s+false", text)


@for_each("name", FOR_BROWSERS)
def test_every_page_says_its_title(name: str) -> None:
    text = source(name)
    if re.search(r"\{%\s*extends", text) and not name.startswith("layouts/"):
        assert re.search(r"\{%\s*block title\s*%\}\s*\S", text) or "set title" in text, "no title"


@for_each("name", FOR_BROWSERS)
def test_every_posting_form_has_its_token(name: str) -> None:
    text = source(name)
    for form in re.findall(r"<form\b.*?</form>", text, flags=re.DOTALL | re.IGNORECASE):
        if re.search(r"""method=["']?post""", form, re.IGNORECASE):
            assert re.search(r"csrf|hidden_tag", form), form[:200]


@for_each("name", FOR_BROWSERS)
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


@for_each("name", ALL)
def test_a_template_can_be_read_on_a_screen(name: str) -> None:
    """See docs/decisions/0040: lines of 120 characters, and no white space that nobody sees."""
    text = (TEMPLATES / name).read_text("utf-8")
    lines = text.split("\n")
    assert [line for line in lines if len(line) > 120] == [], "longer than 120 characters"
    assert [line for line in lines if line != line.rstrip() or "\t" in line] == [], (
        "a tab, or white space at the end"
    )
    assert text.endswith("\n") and not text.endswith("\n\n")


@for_each("name", ALL)
def test_the_end_of_a_block_stands_under_its_beginning(name: str) -> None:
    """Where both begin a line."""
    text = re.sub(
        r"\{#.*?#\}",
        lambda note: re.sub(r"\S", " ", note[0]),
        (TEMPLATES / name).read_text("utf-8"),
        flags=re.DOTALL,
    )
    open_blocks: list[tuple[str, int | None]] = []
    for tag in re.finditer(r"\{%[-+]?\s*(\w+)(.*?)[-+]?%\}", text, flags=re.DOTALL):
        word, rest = tag[1], tag[2]
        before = text[text.rfind("\n", 0, tag.start()) + 1 : tag.start()]
        column = len(before) if not before.strip() else None
        if word in BLOCKS and not (word == "set" and "=" in rest):
            open_blocks.append((word, column))
        elif word in ("else", "elif") or word.startswith("end"):
            began, where = open_blocks[-1] if word in ("else", "elif") else open_blocks.pop()
            line = text.count("\n", 0, tag.start()) + 1
            assert None in (where, column) or where == column, f"line {line}: {word} of {began}"


def test_every_template_is_used(app: Flask) -> None:
    """By a page, a mail or another template."""
    code = "".join(path.read_text("utf-8") for path in Path(csss.__file__).parent.rglob("*.py"))
    for name in ALL:
        mail = name.startswith("email/") and f'"{Path(name).stem}"' in code
        asked_for = any(f'"{name}"' in source(other) for other in ALL if other != name)
        assert mail or asked_for or f'"{name}"' in code, f"nothing uses {name}"


@for_each("name", HTML)
def test_every_import_of_a_template_exists_and_is_used(app: Flask, name: str) -> None:
    tree = app.jinja_env.parse((TEMPLATES / name).read_text("utf-8"))
    used = {each.name for each in tree.find_all(nodes.Name) if each.ctx == "load"}
    for one in tree.find_all(nodes.FromImport):
        assert isinstance(one.template, nodes.Const)
        offered = dir(app.jinja_env.get_template(one.template.value).module)
        for each in one.names:
            macro, called = each if isinstance(each, tuple) else (each, each)
            assert macro in offered and called in used, f"{macro} of {one.template.value}"


@for_each("name", [name for name in FOR_BROWSERS if not name.startswith("components/")])
def test_what_looks_alike_comes_from_a_component(name: str) -> None:
    """Tables, alerts, code fields and empty states are written in templates/components alone."""
    by_hand = [mark for tag in tags(name) if (mark := COMPONENT_MARKS.search(tag)) and tag not in FRAME]
    assert by_hand == []
    assert "one-time-code" not in source(name) and "input--code" not in source(name)
