"""Components rendered without a database: labels, descriptions, escaping, and nothing the policy forbids."""

import re
from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from werkzeug.datastructures import MultiDict

from csss.paths import STATIC, TEMPLATES
from tests.templates.conftest import IMPORTS, ReviewForm, UploadForm

EVIL = "<script>alert('x')</script>{{ 7*7 }}\""
Render = Callable[..., BeautifulSoup]

OTHERS = """
{%- from "components/alert.html" import alert -%}
{%- from "components/card.html" import card, key_value, empty_state, digest, confirm -%}
{%- from "components/page_header.html" import page_header, tabs -%}
{%- from "components/status_tag.html" import status_tag, priority_tag, track -%}
{%- from "components/data_table.html" import data_table, row, cell, pagination, filter_bar -%}
{%- from "components/timeline.html" import timeline -%}
{%- from "components/scan_image.html" import scan_figure, film, thumbnail -%}
{%- from "components/icons.html" import icon -%}
"""


@pytest.fixture
def render(shell_app: Flask) -> Render:
    def _render(source: str, **context: object) -> BeautifulSoup:
        with shell_app.test_request_context("/"):
            text = shell_app.jinja_env.from_string(IMPORTS + OTHERS + source).render(**context)
        return BeautifulSoup(text, "html.parser")

    return _render


@pytest.fixture
def refused(shell_app: Flask) -> ReviewForm:
    """The form as it is after it was sent empty but for a name that is too long and hostile."""
    with shell_app.test_request_context("/", method="POST"):
        form = ReviewForm(MultiDict({"name": EVIL, "password": "secret", "csrf_token": "x"}))
        form.validate()
    return form


def described(page: BeautifulSoup, element: Tag) -> str:
    ids = str(element.get("aria-describedby", "")).split()
    found = [page.find(id=each) for each in ids]
    assert all(found), f"{ids} are not all on the page"
    return " ".join(each.get_text(" ", strip=True) for each in found if each)


def one(page: BeautifulSoup | Tag, selector: str) -> Tag:
    found = page.select(selector)
    assert len(found) == 1, f"{len(found)} elements for {selector}"
    return found[0]


def test_a_refused_field_is_labelled_described_and_marked(render: Render, refused: ReviewForm) -> None:
    page = render('{{ textarea(form.findings, hint="As free text.") }}', form=refused)
    area = one(page, "textarea#findings")
    assert one(page, "label[for=findings]").get_text() == "Findings"
    assert area["aria-invalid"] == "true"
    assert described(page, area) == "As free text. Error: Write what you see."


def test_what_was_typed_stays_and_is_escaped(render: Render, refused: ReviewForm) -> None:
    page = render("{{ text_field(form.name) }}", form=refused)
    assert one(page, "input#name")["value"] == EVIL
    assert not page.select("script")


def test_a_password_is_never_shown_again(render: Render, refused: ReviewForm) -> None:
    page = render("{{ password_field(form.password) }}", form=refused)
    field = one(page, "input#password")
    assert not field.get("value") and field["autocomplete"] == "current-password"
    assert one(page, "[data-reveal-button]").has_attr("hidden")


def test_choices_form_a_group_with_a_legend(render: Render, refused: ReviewForm) -> None:
    page = render('{{ radios(form.agreement, hints={"partly": "Say where."}) }}', form=refused)
    group = one(page, "fieldset#agreement")
    assert one(group, "legend").get_text() == "Agreement"
    assert "Say which." in described(page, group)
    assert described(page, one(page, "input[value=partly]")) == "Say where."
    assert {label["for"] for label in group.select("label")} == {box["id"] for box in group.select("input")}


def test_checkbox_code_and_file(render: Render, refused: ReviewForm, shell_app: Flask) -> None:
    with shell_app.test_request_context("/"):
        upload = UploadForm()
    page = render(
        '{{ checkbox(a.read_myself, hint="Needed.") }}{{ code_field(a.code) }}{{ file_field(b.file, accept="image/png") }}',
        a=refused,
        b=upload,
    )
    assert described(page, one(page, "#read_myself")) == "Needed. Error: Tick this box."
    code = one(page, "#code")
    assert (code["autocomplete"], code["inputmode"]) == ("one-time-code", "numeric")
    assert one(page, "#file")["accept"] == "image/png"


def test_the_summary_names_every_error_and_leads_to_its_field(render: Render, refused: ReviewForm) -> None:
    page = render("{{ form_errors(form, ['The scan is on hold.']) }}", form=refused)
    summary = one(page, "[data-error-summary]")
    assert summary["tabindex"] == "-1"
    assert "The scan is on hold." in summary.get_text()
    links = {str(link["href"]): link.get_text() for link in summary.select("a")}
    assert links["#findings"] == "Write what you see." and links["#agreement"] == "Say which."
    assert render("{{ form_errors(form) }}", form=_unsent()).get_text(strip=True) == ""


def _unsent() -> object:
    class Empty:
        form_errors: list[str] = []

        def __iter__(self) -> object:
            return iter(())

    return Empty()


def test_repeated_lines_have_names_of_their_own(render: Render, refused: ReviewForm) -> None:
    page = render(
        '{% call repeat("Add") %}{% for l in f["items"] %}{% call repeat_row("Medicine", loop.index0) %}'
        "{{ text_field(l.drug) }}{% endcall %}{% endfor %}{% endcall %}",
        f=refused,
    )
    assert [field["name"] for field in page.select("input")] == ["items-0-drug", "items-1-drug"]
    assert one(page, "[data-repeat-add]")["name"] == "add_line"
    assert [button["value"] for button in page.select("[data-repeat-remove]")] == ["0", "1"]


def test_a_status_has_words_and_an_icon_beside_its_colour(render: Render) -> None:
    page = render("{{ status_tag('Uncertain', 'warn') }}{{ priority_tag('Urgent', true) }}")
    for tag in page.select(".tag"):
        assert tag.get_text(strip=True) and one(tag, "svg[aria-hidden=true]")


def test_the_track_says_where_a_scan_stands_without_colour(render: Render) -> None:
    page = render("{{ track([('Uploaded','done','Monday'),('Read','now',none),('Released','todo',none)]) }}")
    assert one(page, "[aria-current=step]").get_text(" ", strip=True) == "Read (now)"
    assert "Uploaded (done)" in page.get_text()


def test_a_table_keeps_its_roles_and_names_its_cells(render: Render) -> None:
    page = render(
        "{% set age = {'label': 'Age', 'url': '?s=age', 'sort': 'descending', 'class': 'num'} %}"
        "{% call data_table('Scans', ['Patient', age]) %}"
        "{% call row() %}{{ cell('Patient', evil) }}{{ cell('Age', 55, 'num') }}{% endcall %}{% endcall %}"
        "{{ pagination(1, 25, 60, 'scans', none, '?page=2', '#list') }}",
        evil=EVIL,
    )
    assert one(page, "caption").get_text() == "Scans"
    assert one(page, "[aria-sort=descending]").get_text(strip=True) == "Age"
    assert [cell["data-label"] for cell in page.select("td[role=cell]")] == ["Patient", "Age"]
    assert EVIL in page.get_text() and not page.select("script")
    assert "1–25 of 60 scans" in page.get_text() and one(page, "a[rel=next]")["hx-get"] == "?page=2"


def test_the_rest_escapes_what_it_is_given(render: Render) -> None:
    page = render(
        "{% call card(e, id='c', meta=e) %}{{ key_value([(e, e), ('Phone', none)]) }}{% endcall %}{{ alert('bad', e, e) }}"
        "{{ page_header(e, lead=e, back=('/', e)) }}{{ tabs([(e, '/', true, 1)], e) }}{{ empty_state(e, e) }}"
        "{{ digest(e, e) }}{% call confirm(e) %}x{% endcall %}{{ icon('check', label=e) }}"
        "{{ timeline([{'title': e, 'when': e, 'iso': e, 'who': e, 'note': e, 'tone': 'ok'}]) }}"
        "{% call film() %}{{ scan_figure('/a', e, caption=e) }}{% endcall %}{{ thumbnail('/a', e) }}"
        "{{ button(e, name=e, value=e) }}{{ button_link(e, '/') }}{{ post_button(e, '/', e, fields={e: e}) }}",
        e=EVIL,
    )
    assert not page.select("script")
    assert "not given" in page.get_text()
    assert "49" not in page.get_text()


def test_every_icon_that_is_used_or_listed_is_in_the_sprite(shell_app: Flask) -> None:
    sprite = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text("utf-8")))
    catalogue = (TEMPLATES / "components/icons.html").read_text("utf-8").split("Names:")[1].split("-#}")[0]
    assert {name.strip() for name in catalogue.replace("\n", " ").split(",")} == sprite
    used: set[str] = set()
    for path in TEMPLATES.rglob("*.html"):
        used |= set(re.findall(r"\b_?icon\(\"([a-z-]+)\"", path.read_text("utf-8")))
    assert used <= sprite


def test_no_template_holds_what_the_policy_forbids() -> None:
    forbidden = re.compile(
        r"\sstyle=|\shx-on|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:|hx-[a-z]+=.js:", re.I
    )
    for folder in ("layouts", "components", "errors"):
        for template in (TEMPLATES / folder).glob("*.html"):
            text = re.sub(r"\{#.*?#\}", "", template.read_text("utf-8"), flags=re.DOTALL)
            assert not forbidden.search(text), f"{template.name}: {forbidden.search(text)}"
