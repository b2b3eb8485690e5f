"""Build one style sheet and one script for all pages, and further ones for single pages, in memory, with hashes in
their names.

A file's address changes with its content, so a browser may keep it without a time limit and never asks again. What only
one page needs is in `css/pages` and `js/pages`, so that other pages do not load it: `asset("viewer.js")` in that page's
block `head`. A folder there, such as `css/pages/scan`, is one file, too: `asset("scan.css")`.
"""

import gzip
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import brotli  # type: ignore[import-untyped]
from flask import Flask, Response, abort, current_app, request, url_for

from csss.paths import STATIC
from csss.people.permissions import PUBLIC
from csss.web.script_texts import script_words

STATIC_ENDPOINT = "static_file"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"  # may be kept, but the ETag has to be checked each time

# The suffixes that may be served, with their media types. Sources of the style sheet and the script, licences and
# checksums are not served.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_LOOSE = frozenset(TYPES) - {".css", ".js"}
_COMPRESSED_ALREADY = frozenset({".png", ".woff2", ".ico"})
_HASHED_NAME = re.compile(r"(?P<stem>[a-z][a-z0-9_-]*)\.(?P<hash>[0-9a-f]{12})(?P<suffix>\.css|\.js)")


@dataclass(frozen=True)
class Asset:
    """One file as it is served: its short name, its bytes, and the first 12 hex digits of their SHA-256."""

    name: str
    content: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:12]

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix

    def body(self, encoding: str | None) -> bytes:
        """The bytes in `br`, `gzip` or (None) as they are."""
        return self.content if encoding is None else compress(self.content, encoding)


@lru_cache(maxsize=128)
def compress(content: bytes, encoding: str) -> bytes:
    """Compress as tightly as the format allows: done once per process and content, at its first use."""
    if encoding == "br":
        return brotli.compress(content, quality=11)
    return gzip.compress(content, compresslevel=9, mtime=0)


def squeeze_css(source: str) -> str:
    """Remove comments and unnecessary white space; quoted strings stay as they are."""

    def outside(text: str) -> str:
        text = re.sub(r"\s+", " ", text)
        return re.sub(r" ?([{};,]) ?", r"\1", text).replace(";}", "}")

    source = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    parts = re.split(r"(\"[^\"\n]*\"|'[^'\n]*')", source)
    return "".join(part if index % 2 else outside(part) for index, part in enumerate(parts)).strip()


def squeeze_js(source: str) -> str:
    """Remove indentation and whole-line comments. Our scripts contain no strings of several lines."""
    source = re.sub(r"^\s*/\*.*?\*/\s*$", "", source, flags=re.DOTALL | re.MULTILINE)
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def build(folder: Path) -> dict[str, Asset]:
    """All assets of a static folder by short name: `app.css`, `app.js`, `upload.js`, `icons.svg`, …

    Raises ValueError when a page's file takes the name of the style sheet or the script of all pages.
    """
    sheets = [folder / "css/tokens.css", folder / "css/base.css"]
    sheets += sorted((folder / "css/components").glob("*.css"))
    scripts = sorted((folder / "js").glob("*.js"))
    css = "".join(squeeze_css(sheet.read_text("utf-8")) for sheet in sheets)
    # The vendored file comes first and unchanged: its checksum is on record.
    js = [(folder / "vendor/htmx.min.js").read_text("utf-8")]
    js += [squeeze_js(script.read_text("utf-8")) for script in scripts]
    assets = [Asset("app.css", css.encode()), Asset("app.js", ";\n".join(js).encode())]
    assets += _of_single_pages(folder)
    assets += [Asset(str(path.relative_to(folder).as_posix()), path.read_bytes()) for path in _loose(folder)]
    return {asset.name: asset for asset in assets}


def _of_single_pages(folder: Path) -> Iterable[Asset]:
    for suffix, squeeze in ((".css", squeeze_css), (".js", squeeze_js)):
        kind = folder / suffix[1:] / "pages"
        for path in sorted(kind.iterdir() if kind.is_dir() else ()):
            if path.stem == "app" or not _HASHED_NAME.fullmatch(f"{path.stem}.{'0' * 12}{suffix}"):
                raise ValueError(f"{path.name} is no name for the file of a page.")
            parts = sorted(path.glob(f"*{suffix}")) if path.is_dir() else [path]
            yield Asset(
                f"{path.stem}{suffix}", "".join(squeeze(part.read_text("utf-8")) for part in parts).encode()
            )


@cache
def _built_once(folder: Path) -> dict[str, Asset]:
    return build(folder)


def _loose(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in _LOOSE)


class AssetStore:
    """The assets of one application; in debug mode they are put together again when a file has changed."""

    def __init__(self, folder: Path, *, watch: bool = False) -> None:
        self.folder = folder
        self.watch = watch
        self._stamp = self._newest()
        self._assets = build(folder) if watch else _built_once(folder)
        self._urls: dict[tuple[str, str], str] = {}

    def get(self, name: str) -> Asset | None:
        self._refresh()
        return self._assets.get(name)

    def url(self, name: str) -> str:
        """The address that changes with the content. Raises LookupError for a file that is not there."""
        asset = self.get(name)
        if asset is None:
            raise LookupError(f"There is no static file {name!r}.")
        # A list page asks for its icons a hundred times.
        key = (name, request.script_root)
        if key not in self._urls:
            self._urls[key] = self._url(name, asset)
        return self._urls[key]

    def _url(self, name: str, asset: "Asset") -> str:
        if asset.suffix in (".css", ".js"):
            stem, suffix = name.split(".")
            return url_for(STATIC_ENDPOINT, path=f"{stem}.{asset.digest}.{suffix}")
        return url_for(STATIC_ENDPOINT, path=name, v=asset.digest)

    def warm(self) -> None:
        """Compress everything now, so that the first visitor does not wait for it (about 0.2 s)."""
        for asset in self._assets.values():
            if asset.suffix not in _COMPRESSED_ALREADY:
                asset.body("br"), asset.body("gzip")

    def _refresh(self) -> None:
        if self.watch and (newest := self._newest()) != self._stamp:
            self._stamp, self._assets = newest, build(self.folder)
            self._urls.clear()

    def _newest(self) -> float:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return max((path.stat().st_mtime for path in files), default=0.0) if self.watch else 0.0


def init_assets(app: Flask) -> None:
    """Register `/static/<path>` (`static_file`, public), and `asset('app.css')` and `script_words()` for templates."""
    store = AssetStore(STATIC, watch=app.debug)
    app.extensions["csss_assets"] = store
    app.jinja_env.globals.update(asset=store.url, script_words=script_words)
    app.add_url_rule("/static/<path:path>", endpoint=STATIC_ENDPOINT, view_func=static_file)


def static_file(path: str) -> Response:
    """One static file in the best encoding the browser takes; the address never opens a file by name."""
    store: AssetStore = current_app.extensions["csss_assets"]
    hashed = _HASHED_NAME.fullmatch(path)
    asset = store.get(hashed["stem"] + hashed["suffix"] if hashed else path)
    if asset is None or (not hashed and asset.suffix not in _LOOSE):
        abort(404)
    encoding = _encoding() if asset.suffix not in _COMPRESSED_ALREADY else None
    response = Response(asset.body(encoding), content_type=TYPES[asset.suffix])
    # While a new version is being installed, browsers may ask for another hash: answer with our content, but only for a
    # short time.
    wanted = hashed["hash"] if hashed else request.args.get("v")
    response.headers["Cache-Control"] = FOR_EVER if wanted == asset.digest else ASK_AGAIN
    if asset.suffix not in _COMPRESSED_ALREADY:
        response.vary.add("Accept-Encoding")
    if encoding is not None:
        response.headers["Content-Encoding"] = encoding
    response.set_etag(f"{asset.digest}-{encoding or 'id'}")
    response.make_conditional(request)
    return response


static_file.permission = PUBLIC  # type: ignore[attr-defined]


def _encoding() -> str | None:
    accepted = request.accept_encodings
    best = max(("br", "gzip"), key=accepted.quality)
    return best if accepted.quality(best) > 0 else None
