"""Static files: address from content, best encoding, kept for ever, and asked again only where the hash is not ours."""

import gzip
import hashlib
import os
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import pytest
from flask import Flask
from flask.testing import FlaskClient

from csss.paths import STATIC
from csss.web.assets import ASK_AGAIN, FOR_EVER, AssetStore, build, init_assets, squeeze_css, squeeze_js
from csss.web.headers import init_headers


@pytest.fixture
def app() -> Flask:
    app = Flask("assets", static_folder=None)
    init_assets(app)
    init_headers(app)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def address(app: Flask, name: str) -> str:
    with app.test_request_context("/"):
        url: str = app.jinja_env.globals["asset"](name)
        return url


@pytest.mark.parametrize("name", ["app.css", "app.js", "upload.js"])
def test_the_address_holds_the_hash_of_the_content(app: Flask, client: FlaskClient, name: str) -> None:
    url = address(app, name)
    answer = client.get(url)
    stem, suffix = name.split(".")
    assert url == f"/static/{stem}.{hashlib.sha256(answer.data).hexdigest()[:12]}.{suffix}"
    assert answer.headers["Cache-Control"] == FOR_EVER
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize(
    ("accepts", "expected"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0.2, gzip;q=0.9", "gzip"),
        ("*", "br"),
        ("br;q=0, gzip;q=0", None),
        ("zstd", None),
        ("", None),
    ],
)
def test_the_best_encoding_the_browser_takes(
    app: Flask, client: FlaskClient, accepts: str, expected: str | None
) -> None:
    url = address(app, "app.js")
    plain = client.get(url).data
    answer = client.get(url, headers={"Accept-Encoding": accepts})
    assert answer.headers.get("Content-Encoding") == expected
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[expected]
    assert unpack(answer.data) == plain
    assert "Accept-Encoding" in answer.vary
    assert answer.content_length == len(answer.data)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("app.css", "text/css; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("icons.svg", "image/svg+xml; charset=utf-8"),
        ("favicon.svg", "image/svg+xml; charset=utf-8"),
        ("manifest.webmanifest", "application/manifest+json"),
    ],
)
def test_type_and_policy(app: Flask, client: FlaskClient, name: str, kind: str) -> None:
    answer = client.get(address(app, name))
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == FOR_EVER


def test_not_modified(app: Flask, client: FlaskClient) -> None:
    url, br = address(app, "app.css"), {"Accept-Encoding": "br"}
    tag = client.get(url, headers=br).headers["ETag"]
    again = client.get(url, headers={**br, "If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 200  # another encoding, another tag


def test_another_hash_gets_our_content_but_may_not_keep_it(app: Flask, client: FlaskClient) -> None:
    answer = client.get("/static/app.000000000000.css")
    assert answer.data == client.get(address(app, "app.css")).data
    assert answer.headers["Cache-Control"] == ASK_AGAIN
    assert client.get("/static/icons.svg").headers["Cache-Control"] == ASK_AGAIN


@pytest.mark.parametrize(
    "path",
    [
        "nothing.svg",
        "css/base.css",
        "js/pages/upload.js",
        "upload.js",
        "nothing.000000000000.js",
        "vendor/htmx.min.js",
        "vendor/SHA256SUMS",
        "app.css",
        "../pyproject.toml",
        "..%2fpyproject.toml",
        "/etc/passwd",
    ],
)
def test_nothing_else_is_served(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/static/{path}")
    assert answer.status_code in {404, 308}
    if answer.status_code == 404:
        assert answer.headers["Cache-Control"] == "no-store"


def test_an_unknown_name_in_a_template_is_an_error(app: Flask) -> None:
    with pytest.raises(LookupError, match=r"nothing\.svg"):
        address(app, "nothing.svg")


def test_the_vendored_script_is_the_published_one() -> None:
    for line in (STATIC / "vendor/SHA256SUMS").read_text("ascii").splitlines():
        digest, name = line.split()
        content = (STATIC / "vendor" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        assert content in build(STATIC)["app.js"].content


def test_the_first_visit_fits_the_budget() -> None:
    """Style sheet, script, icons and favicon together; the page itself has the rest of the 32 kB."""
    assets = build(STATIC)
    wire = {name: len(assets[name].body("br")) for name in ("app.css", "app.js", "icons.svg", "favicon.svg")}
    assert sum(wire.values()) <= 27_000, wire


def test_what_one_page_needs_is_loaded_by_that_page_alone(tmp_path: Path) -> None:
    assets = build(STATIC)
    assert b"data-upload" in assets["upload.js"].content
    assert b"data-upload-progress" not in assets["app.js"].content
    (tmp_path / "js/pages").mkdir(parents=True)
    (tmp_path / "js/pages/app.js").write_text("", "utf-8")
    for needed in ("css/tokens.css", "css/base.css", "vendor/htmx.min.js"):
        (tmp_path / needed).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / needed).write_text("", "utf-8")
    with pytest.raises(ValueError, match=r"app\.js"):
        build(tmp_path)


def test_squeezing_keeps_the_meaning() -> None:
    css = '/* x */ a  :hover { content: "a  ; b" ;\n  width: calc( 1px + 2px ); }\n@media (a) and (b) { p { x: y } }'
    assert (
        squeeze_css(css) == 'a :hover{content: "a  ; b";width: calc( 1px + 2px )}@media (a) and (b){p{x: y}}'
    )
    assert squeeze_js("// note\n  const a = 'b // c';\n\n/* d\n e */\n  f();") == "const a = 'b // c';\nf();"


def test_files_that_change_are_put_together_again_in_debug_mode(tmp_path: Path) -> None:
    for name, text in {"css/tokens.css": "", "css/base.css": "p{}", "vendor/htmx.min.js": "1"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    watched, fixed = AssetStore(tmp_path, watch=True), AssetStore(tmp_path)
    (tmp_path / "css/base.css").write_text("q{}", "utf-8")
    os.utime(tmp_path / "css/base.css", (2_000_000_000, 2_000_000_000))
    assert [store.get("app.css").content for store in (watched, fixed)] == [b"q{}", b"p{}"]  # type: ignore[union-attr]
