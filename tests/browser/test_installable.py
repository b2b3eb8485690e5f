"""The service worker: an offline page when the server is gone, and nothing of a patient in any storage of the browser."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from playwright.sync_api import Browser, expect
from werkzeug.serving import BaseWSGIServer, make_server

from csss import create_app
from csss.outbox import DISPATCHER
from csss.paths import STATIC
from csss.scans.states import Status
from tests.browser.conftest import close
from tests.conftest import settings_for
from tests.factories import Clinic

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
KEPT = """async () => {
  const kept = [];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      kept.push([request.url, await (await cache.match(request, {ignoreVary: true})).text()]);
    }
  }
  return {kept, local: {...localStorage}, session: {...sessionStorage}, databases: await indexedDB.databases()};
}"""


@pytest.fixture
def app(tmp_path: Path, migrated_sqlite: Path) -> Flask:
    shutil.copy(migrated_sqlite, tmp_path / "csss.db")
    app = create_app(settings_for(tmp_path))
    app.extensions[DISPATCHER] = lambda row_id, queue: None
    return app


@pytest.fixture
def server(app: Flask) -> Iterator[BaseWSGIServer]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()


def test_without_the_server_there_is_a_calm_page_and_nothing_of_the_patient_is_kept(
    browser: Browser, app: Flask, server: BaseWSGIServer
) -> None:
    with app.app_context():
        clinic = Clinic(app)
        patient = clinic.person("patient")
        name, scan = patient.name, clinic.scan(Status.PENDING_AI, patient=patient).id
        key = clinic.visitor(patient).client.get_cookie("csss")
    assert key is not None
    url = f"http://127.0.0.1:{server.server_port}"
    context = browser.new_context(base_url=url)
    context.add_cookies([{"name": "csss", "value": key.value, "url": url}])
    page = context.new_page()
    page.goto(f"/patient/scans/{scan}")
    expect(page.get_by_role("link", name=name)).to_be_visible()
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()  # now through the service worker
    expect(page.get_by_role("link", name=name)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()

    found = page.evaluate(KEPT)
    addresses = sorted(re.sub(r"\.[0-9a-f]{12}\.|\?v=\w+", ".", address) for address, _ in found["kept"])
    assert [address.removeprefix(url) for address in addresses] == [
        "/offline",
        "/static/app.css",
        "/static/app.js",
        "/static/favicon.svg.",
        "/static/icons.svg.",
    ]
    assert not [address for address, text in found["kept"] if name in text or str(scan) in text]
    assert (found["local"], found["session"], found["databases"]) == ({}, {}, [])

    server.shutdown()
    server.server_close()
    page.goto(f"/patient/scans/{scan}")
    expect(page.get_by_role("heading", name="There is no connection at the moment")).to_be_visible()
    expect(page.get_by_role("link", name="Try again")).to_have_attribute("href", "")
    assert page.evaluate("getComputedStyle(document.querySelector('.panel')).borderTopStyle") == "solid"
    close(context)


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    return app.test_client()


def test_another_content_makes_another_version(visitor: FlaskClient, app: Flask) -> None:
    before = visitor.get("/sw.js")
    assert before.mimetype == "text/javascript" and before.headers["Cache-Control"] == "no-store"
    with app.test_request_context("/"):
        assert app.jinja_env.globals["asset"]("app.css") in before.text  # type: ignore[operator]
    app.extensions["csss_assets"]._urls.clear()
    app.extensions["csss_assets"]._assets = {
        **app.extensions["csss_assets"]._assets,
        "app.css": app.extensions["csss_assets"]._assets["app.js"],
    }
    first = r'const VERSION = "(\w+)"'
    assert re.search(first, before.text)[1] != re.search(first, visitor.get("/sw.js").text)[1]  # type: ignore[index]


def test_the_offline_page_is_the_same_for_everybody(visitor: FlaskClient, app: Flask) -> None:
    with app.app_context():
        clinic = Clinic(app)
        signed_in = clinic.visitor(clinic.person("doctor")).get("/offline").get_data(as_text=True)
    assert signed_in == visitor.get("/offline").get_data(as_text=True)
    assert "<form" not in signed_in and "csrf" not in signed_in


def test_the_manifest_names_icons_that_exist_in_the_sizes_it_says(visitor: FlaskClient) -> None:
    manifest = json.loads((STATIC / "manifest.webmanifest").read_text("utf-8"))
    assert manifest["display"] == "standalone" and manifest["start_url"] == "/"
    assert [icon for icon in manifest["icons"] if icon.get("purpose") == "maskable"]
    for icon in manifest["icons"]:
        assert visitor.get(icon["src"]).mimetype == icon["type"]
        if icon["type"] == "image/png":
            with Image.open(STATIC / Path(icon["src"]).name) as picture:
                assert f"{picture.width}x{picture.height}" == icon["sizes"]
