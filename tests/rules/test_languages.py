"""Every visible text can be translated: with a made-up language in which each text stands in ⟦brackets⟧, no page shows a
word outside of brackets that is not data.

A page that fails here shows words that were written without `_("…")`: see csss/i18n.py.
"""

import io
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from bs4 import BeautifulSoup, Comment, Doctype, Tag
from flask_mail import Message

from csss.database import db, transaction
from csss.i18n import SOURCE_LANGUAGE, gettext, in_english, language
from csss.jobs import notice_jobs
from csss.notices.channels import email
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import User
from csss.reports import printing
from csss.reports import services as reports
from csss.reports.build import report_context
from csss.reports.document import Sheet, report_html
from csss.scans.models import Scan
from csss.scans.starter_templates import STARTER
from csss.web.admin.approvals.preview_routes import WATERMARK
from csss.web.script_texts import script_texts
from tests.rules.routes import WHO, methods, rules
from tests.rules.site import ROLES, Site, make_site
from tests.visitor import soup

pytestmark = pytest.mark.xdist_group("site")
ROOT = Path(__file__).parents[2]
MADE_UP = "eo"
KEYWORDS = {
    "_": None,
    "_l": None,
    "_n": (1, 2),
    "gettext": None,
    "ngettext": (1, 2),
    "lazy_gettext": None,
    "N_": None,
}
# Endpoints whose pages still show unwrapped words. It only ever gets shorter.
NOT_YET: frozenset[str] = frozenset()

# A word of the program that happens to be kept as text, such as the kind of an audit entry.
MACHINE = re.compile(r"[a-z_.]+")

# What is no text: where nothing is read, or where people's and machines' own words stand.
BREAK = "\x00"  # between two text nodes
SILENT = {"script", "style", "code", "kbd", "template", "svg"}
SPOKEN = ("aria-label", "title", "alt", "placeholder")
# Names, units and formats that are the same in every language.
SAME = re.compile(
    r"CSSS|MRN|JPEG|PNG|PDF|DICOM|UTC|TOTP|SHA-256|kB|MB|τ|[AB]{1,2}[+−]|O[+−]"
    r"|\d{1,2} \w{3,4}\.? \d{4}|\d{4}-\d\d-\d\d|[0-9a-f]{8,}|test-1|(?:csss|paper)-\d|(?:\w+\.)+\w+@?\S*"
)


@pytest.fixture(scope="session")
def messages() -> Catalog:
    """Every text of the project, each translated into itself in brackets."""
    catalog = Catalog(locale=MADE_UP)
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        mapping, options = parse_mapping_cfg(file)
    for folder in ("csss", "templates", "static/js"):
        below = [(pattern.removeprefix(f"{folder}/"), method) for pattern, method in mapping]
        chosen = {key.removeprefix(f"{folder}/"): value for key, value in options.items()}
        for _, _, text, _, _ in extract_from_dir(ROOT / folder, below, chosen, keywords=KEYWORDS):
            plural = isinstance(text, tuple)
            catalog.add(text, tuple(f"⟦{form}⟧" for form in text) if plural else f"⟦{text}⟧")
    return catalog


@pytest.fixture(scope="module")
def site(
    messages: Catalog, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A clinic whose pages can also be had in the made-up language."""
    translations = tmp_path_factory.mktemp("translations")
    folder = translations / MADE_UP / "LC_MESSAGES"
    folder.mkdir(parents=True)
    content = io.BytesIO()
    write_mo(content, messages)
    (folder / "messages.mo").write_bytes(content.getvalue())
    for site in make_site(tmp_path_factory.mktemp("languages"), migrated_sqlite):
        site.app.extensions["babel"].translation_directories = [str(translations)]
        site.app.extensions["csss_languages"] = [SOURCE_LANGUAGE, MADE_UP]
        yield site


def data_words(site: Site) -> list[str]:
    """Everything that people or the system have entered, the longest first."""
    found: set[str] = {site.app.config["CSSS"].hospital_name}
    # What the models, the formulary and a doctor's first templates say are files in English, not texts of the pages.
    for info in (ROOT / "models").glob("*/labels.json"):
        found |= set(re.findall(r'"([^"]{3,})"', info.read_text("utf-8")))
    found |= {text for _, _, *texts in STARTER for text in texts}
    found |= set(re.split(r"[;|\n]", (ROOT / "csss/prescriptions/data/formulary.csv").read_text("utf-8")))
    for table in db.metadata.sorted_tables:
        columns = [
            column
            for column in table.columns
            if isinstance(column.type, sa.String) and not isinstance(column.type, sa.Enum)
        ]
        if columns:
            for row in db.session.execute(sa.select(*columns)):
                found |= {str(value) for value in row if value and not MACHINE.fullmatch(str(value))}
    db.session.remove()
    lines = {part.strip() for text in found for part in text.splitlines() if len(part.strip()) > 2}
    return sorted(found | lines, key=len, reverse=True)


def outside(text: str) -> str:
    """What stands outside of the brackets, which may lie within each other and reach over several elements."""
    depth, kept = 0, []
    for character in text:
        depth += {"⟦": 1, "⟧": -1}.get(character, 0)
        kept.append(character if depth == 0 or character == BREAK else " ")
    assert depth == 0, text[:200]
    return "".join(kept).replace("⟧", " ")


def unwrapped(text: str, data: list[str]) -> str:
    """What of a text outside of brackets is no data, in one line; empty when there is nothing to say."""
    for known in data:
        if known in text:
            text = text.replace(known, " ")
    text = SAME.sub(" ", re.sub(r"\S+…", " ", text))
    return " ".join(text.split()) if re.search(r"[^\W\d_]{2,}", text) else ""


def visible(page: BeautifulSoup) -> Iterator[str]:
    """The page's texts outside of brackets. Where content is in a language of its own (lang="en"), nothing is asked."""
    nodes = []
    for node in page.find_all(string=True):
        foreign = [
            each for each in node.parents if each.name != "html" and each.get("lang") == SOURCE_LANGUAGE
        ]
        silent = {parent.name for parent in node.parents} & SILENT
        if not foreign and not silent and not isinstance(node, Comment | Doctype):
            nodes.append(str(node))
    yield from outside(BREAK.join(nodes)).split(BREAK)
    for tag in page.find_all(True):
        assert isinstance(tag, Tag)
        yield from (outside(str(tag[name])) for name in SPOKEN if tag.has_attr(name))
        if tag.name == "input" and tag.get("type") in {"submit", "button"}:
            yield outside(str(tag.get("value", "")))


def pages(site: Site, role: str | None) -> Iterator[tuple[str, str, BeautifulSoup]]:
    for rule in rules(site.app):
        if "GET" not in methods(rule) or role not in WHO[rule.endpoint] or rule.rule.endswith(".pdf"):
            continue
        for about, address in site.addresses(rule).items():
            with site.app.app_context():  # the catalogue is looked up once in each
                visitor = site.visitor(role)
                answer = visitor.get(address, headers={"Accept-Language": MADE_UP})
                answer.get_data()  # exports come in pieces: all of it while the context is there
            if answer.mimetype == "text/html" and answer.status_code in {200, 404, 409}:
                page = BeautifulSoup(answer.get_data(as_text=True), "html.parser")
                yield rule.endpoint, f"{rule.endpoint} ({about or 'as it is'})", page


@pytest.mark.parametrize("role", [None, *ROLES], ids=lambda role: role or "nobody")
def test_every_visible_text_can_be_translated(site: Site, role: str | None) -> None:
    data = data_words(site)
    found: dict[str, str] = {}
    for endpoint, name, page in pages(site, role):
        if page.html is not None:
            assert page.html.get("lang") == MADE_UP, name
        for text in visible(page):
            if (rest := unwrapped(text, data)) and endpoint not in NOT_YET:
                found.setdefault(rest, name)
    assert not found, "\n".join(f"{name}: {rest}" for rest, name in sorted(found.items(), key=lambda x: x[1]))


def test_errors_are_told_in_the_readers_language(site: Site) -> None:
    with site.app.app_context():
        answer = site.visitor(None).get("/nothing-here", headers={"Accept-Language": MADE_UP})
    assert "⟦There is no such page⟧" in answer.get_data(as_text=True)


def in_made_up(site: Site, role: str, address: str, sent: dict[str, str] | None = None) -> tuple[int, str]:
    """How a page, or a form that is sent, is answered to somebody who reads the made-up language."""
    with site.app.app_context():
        visitor, asked = site.visitor(role), {"headers": {"Accept-Language": MADE_UP}}
        answer = visitor.get(address, **asked) if sent is None else visitor.post(address, sent, **asked)
        return answer.status_code, " ".join(soup(answer).get_text().split())


# Who asks for what, of which scan, and what is said to it.
REFUSED = [
    ("doctor", "analyze", "queued", 409, "The analysis has been started already."),
    ("doctor", "analyze", "closed", 409, "The scan has been closed."),
    ("doctor", "analyze", "analysed", 409, "The scan has been analysed and waits for a doctor."),
    ("doctor", "verify", "uploaded", 409, "The scan waits for the analysis."),
    ("doctor", "correct", "verified", 409, "Nobody has asked for a correction of this scan."),
    ("doctor", "read-without-ai", "failed", 422, "Say why the scan is to be read without the classifier."),
    ("admin", "hold", "held for the doctor", 409, "The scan is on hold already."),
    ("admin", "hold", "completed", 422, "Write what has to be corrected."),
    ("admin", "lift", "completed", 409, "The scan is not on hold."),
]


@pytest.mark.parametrize(("role", "step", "scan", "status", "sentence"), REFUSED)
def test_refusals_are_told_in_the_readers_language(
    site: Site, role: str, step: str, scan: str, status: int, sentence: str
) -> None:
    fields = {"findings": "Clear lungs.", "to": "doctor", "note": "Which side?" if status == 409 else " "}
    answer = in_made_up(site, role, f"/{role}/scans/{site.scans[scan]}/{step}", fields)
    assert answer[0] == status and f"⟦{sentence}⟧" in answer[1], answer


def test_why_an_analysis_failed_is_kept_in_english_and_told_in_the_readers_language(site: Site) -> None:
    kept = "The analysis could not be done. The classifier is not installed."
    assert db.session.get_one(Scan, site.scans["failed"]).latest_run.failure == kept  # type: ignore[union-attr]
    db.session.remove()
    page = in_made_up(site, "doctor", f"/doctor/scans/{site.scans['failed']}")[1]
    assert page.count(f"⟦{kept}⟧") == page.count(kept) == 2, "in the classifier's card and the history"


def test_the_preview_shows_the_english_report_that_will_be_released(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the administrator's browser asks for: the report is stored, mailed and read in one language."""
    sheets: list[str] = []

    class Press:
        def run(self, request: bytes) -> bytes:
            sheets.append(Sheet.unpack(request).html)
            return b"%PDF-"

    monkeypatch.setattr(printing, "_room", Press())
    monkeypatch.setattr("csss.reports.build.now", lambda: datetime(2026, 5, 3, tzinfo=UTC))
    address = f"/admin/scans/{site.scans['completed']}/preview.pdf"
    assert in_made_up(site, "admin", address)[0] == 200
    with site.app.app_context():
        assert site.visitor("admin").get(address).status_code == 200
    with site.app.app_context():  # as the worker does
        scan = db.session.get_one(Scan, site.scans["completed"])
        number = str(reports.report_id(scan.id, 1))
        report = report_context(scan, report_id=number, version=1, draft=True)
        released = report_html(report, site.app.jinja_env, watermark=WATERMARK)
        db.session.remove()
    assert "Chest X-ray report" in released and "female" in released
    assert "⟦" not in sheets[0] and sheets == [released, released]
    assert "⟦" in in_made_up(site, "admin", address.removesuffix("/preview.pdf"))[1], "the page around it"


def test_a_page_goes_on_in_the_readers_language_after_something_english(site: Site) -> None:
    with site.app.app_context(), site.app.test_request_context(headers={"Accept-Language": MADE_UP}):
        assert (gettext("Closed"), language()) == ("⟦Closed⟧", MADE_UP)
        with in_english(), in_english():
            assert (gettext("Closed"), language()) == ("Closed", SOURCE_LANGUAGE)
        assert (gettext("Closed"), language()) == ("⟦Closed⟧", MADE_UP)
        with pytest.raises(ZeroDivisionError), in_english():
            raise ZeroDivisionError
        assert (gettext("Closed"), language()) == ("⟦Closed⟧", MADE_UP)


def test_mails_are_english_whoever_has_them_sent(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Message] = []
    monkeypatch.setattr(email, "send", sent.append)
    with site.app.app_context(), transaction():
        user = db.session.get_one(User, site.people["another patient"])
        mail_id = owe(MailKind.PASSWORD_CHANGED, user, uuid.uuid4()).id
    with site.app.app_context(), site.app.test_request_context(headers={"Accept-Language": MADE_UP}):
        notice_jobs.send_mail(mail_id)
        db.session.remove()
    (mail,) = sent
    assert mail.subject and mail.subject.startswith("Your password has been changed – ")
    assert "⟦" not in f"{mail.subject} {mail.body}"


def test_the_texts_of_scripts_come_with_the_page(site: Site, messages: Catalog) -> None:
    assert {text for text in script_texts() if text not in messages} == set(), "extracted as the page does"
    with site.app.app_context():
        answer = site.visitor(None).get("/login", headers={"Accept-Language": MADE_UP})
    page = BeautifulSoup(answer.get_data(as_text=True), "html.parser")
    words = page.select_one("meta[name=csss-words]")
    assert words is not None and "⟦Your account may not do this.⟧" in str(words["content"])
    with site.app.app_context():
        english = site.visitor(None).get("/login").get_data(as_text=True)
    assert "csss-words" not in english, "English pages carry nothing for it"
