"""What every page keeps to, seen in the HTML that really comes out, for every role and every situation of a scan."""

import re
from collections import Counter

import pytest
from bs4 import Tag

from tests.rules.opened_pages import answers
from tests.rules.routes import WHO
from tests.rules.site import ROLES, Site

pytestmark = pytest.mark.xdist_group("site")
EVERYBODY = pytest.mark.parametrize("role", [None, *ROLES], ids=lambda role: role or "nobody")
HANDLER = re.compile(r"on[a-z]+|hx-on.*|data-hx-on.*")


@EVERYBODY
def test_every_page_has_a_title_a_heading_a_language_and_one_main(site: Site, role: str | None) -> None:
    for name, page in answers(site, role):
        if page.html is None:
            continue  # a region that is only ever asked for by itself
        assert page.title is not None and page.title.get_text(strip=True), name
        assert [heading.get_text(strip=True) != "" for heading in page("h1")] == [True], name
        assert len(page("main")) == 1, name
        assert page.html.get("lang") == "en", name


@EVERYBODY
def test_no_page_carries_script_or_style_of_its_own(site: Site, role: str | None) -> None:
    for htmx in (False, True):
        for name, page in answers(site, role, htmx=htmx):
            for tag in page.find_all(True):
                assert isinstance(tag, Tag)
                assert tag.name != "style", name
                assert not (tag.name == "script" and tag.get_text(strip=True)), name
                for attribute, value in tag.attrs.items():
                    assert attribute != "style", f"{name}: {tag}"
                    assert not HANDLER.fullmatch(attribute), f"{name}: {tag}"
                    assert not str(value).strip().lower().startswith("javascript:"), f"{name}: {tag}"


@EVERYBODY
def test_every_form_that_sends_carries_its_token(site: Site, role: str | None) -> None:
    for htmx in (False, True):
        for name, page in answers(site, role, htmx=htmx):
            for form in page("form"):
                posts = str(form.get("method", "get")).lower() == "post"
                token = form.find("input", attrs={"name": "csrf_token"})
                assert (token is not None and bool(token.get("value"))) == posts, (
                    f"{name}: {form.get('action')}"
                )
                assert not (form.has_attr("hx-post") and not posts), f"{name}: works only with script"


@EVERYBODY
def test_ids_are_unique_and_labels_and_descriptions_point_somewhere(site: Site, role: str | None) -> None:
    for name, page in answers(site, role):
        ids = Counter(str(tag["id"]) for tag in page.find_all(id=True))
        assert not [one for one, number in ids.items() if number > 1], f"{name}: twice"
        for tag in page.find_all(True):
            for attribute in ("for", "aria-describedby", "aria-labelledby", "aria-controls"):
                value = tag.get(attribute)
                for target in value if isinstance(value, list) else str(value or "").split():
                    assert target in ids, f"{name}: {attribute}={target} points nowhere"


@EVERYBODY
def test_a_fragment_is_one_element_with_an_id_and_no_page(site: Site, role: str | None) -> None:
    for name, fragment in answers(site, role, htmx=True):
        if name.startswith("shell.offline"):
            continue  # shown by the service worker, which knows no htmx
        assert fragment.html is None and fragment.body is None, name
        roots = [tag for tag in fragment.find_all(True, recursive=False) if not tag.name.startswith("hx-")]
        assert len(roots) == 1, f"{name}: {[root.name for root in roots]}"
        assert roots[0].get("id"), name


@EVERYBODY
def test_every_form_of_a_page_may_be_sent_by_who_sees_it(site: Site, role: str | None) -> None:
    """A form is shown only to someone who may send it."""
    adapter = site.app.url_map.bind("")
    for name, page in answers(site, role):
        for form in page("form"):
            method = str(form.get("method", "get")).upper()
            target = str(form.get("action") or form.get("hx-post") or "")
            path = target.partition("?")[0].partition("#")[0]
            if not path.startswith("/"):
                continue
            endpoint, _ = adapter.match(path, method=method)
            assert role in WHO[endpoint], f"{name} shows a form for {endpoint}"


@pytest.mark.parametrize("role", ROLES)
def test_every_link_of_a_page_leads_somewhere(site: Site, role: str) -> None:
    visitor = site.visitor(role)
    seen: set[str] = set()
    for name, page in answers(site, role):
        for link in page("a", href=True):
            target = str(link["href"]).partition("#")[0]
            if target.startswith("/") and target not in seen:
                seen.add(target)
                status = visitor.get(target).status_code
                # 303: on to the next scan, whichever it is now.
                assert status in {200, 302, 303}, f"{name}: {target} answered {status}"
