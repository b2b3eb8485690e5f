"""People at a browser, as the faults need them: over HTTP, with cookies, form tokens and pictures."""

import html
import io
import re
import urllib.error
import urllib.request
import uuid
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from tests.chaos.failure import Failed


class Browser:
    """A person at a browser, over HTTP, with cookies and form tokens."""

    def __init__(self, url: str, cookie: str) -> None:
        self._url, self.cookie, self._token = url, cookie, ""
        self._opener = urllib.request.build_opener(_NoRedirect())

    def get(self, path: str) -> tuple[int, str]:
        return self._ask(urllib.request.Request(self._url + path))

    def page(self, path: str) -> str:
        """The words of a page. Fails when it does not answer 200."""
        status, text = self.get(path)
        if status != 200:
            raise Failed(f"{path} answered {status}")
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())

    def post(self, path: str, **fields: str) -> tuple[int, str]:
        return self.send(path, fields, {})

    def send(self, path: str, fields: dict[str, str], files: dict[str, bytes]) -> tuple[int, str]:
        """Submit a form; the text is where it leads to, or what it says. Status 0: the connection broke."""
        values = {"csrf_token": self.token(), **fields}
        if not files:
            data, kind = urlencode(values).encode(), "application/x-www-form-urlencoded"
        else:
            data, kind = _multipart(values, files)
        return self._ask(urllib.request.Request(self._url + path, data, {"Content-Type": kind}))

    def raw(self, method: str, path: str, data: bytes | None, **headers: str) -> tuple[int, dict[str, str]]:
        """One request as a script sends it; the answer's headers in lower case."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {
            "X-CSRFToken": self.token()
        }
        request = urllib.request.Request(self._url + path, data, sent, method=method)
        request.add_unredirected_header("Cookie", self.cookie)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}
        except urllib.error.HTTPError as error:
            return error.code, {name.lower(): value for name, value in error.headers.items()}
        except OSError:
            return 0, {}

    def token(self) -> str:
        if not self._token:
            _, text = self.get("/account")
            found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', text)
            if found is None:
                raise Failed("the page of the account shows no form")
            self._token = found[1]
        return self._token

    def _ask(self, request: urllib.request.Request) -> tuple[int, str]:
        request.add_unredirected_header("Cookie", self.cookie)
        try:
            with self._opener.open(request, timeout=60) as answer:
                self._keep(answer.headers.get_all("Set-Cookie") or [])
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            self._keep(error.headers.get_all("Set-Cookie") or [])
            return error.code, error.headers.get("Location") or error.read().decode()
        except OSError:
            return 0, ""

    def _keep(self, cookies: list[str]) -> None:
        name = self.cookie.partition("=")[0]
        for each in cookies:
            if each.startswith(f"{name}="):
                self.cookie = each.partition(";")[0]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def _multipart(values: dict[str, str], files: dict[str, bytes]) -> tuple[bytes, str]:
    border = uuid.uuid4().hex
    out = io.BytesIO()
    for name, value in values.items():
        out.write(f'--{border}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    for name, content in files.items():
        out.write(
            f'--{border}\r\nContent-Disposition: form-data; name="{name}"; filename="scan.png"\r\n'
            "Content-Type: image/png\r\n\r\n".encode()
        )
        out.write(content + b"\r\n")
    out.write(f"--{border}--\r\n".encode())
    return out.getvalue(), f"multipart/form-data; boundary={border}"


def new_picture(side: int = 256) -> bytes:
    """A picture that nobody has sent before."""
    draw = np.random.default_rng(uuid.uuid4().int)
    coarse = draw.integers(0, 255, (16, 16)).astype(np.uint8)
    target = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(target, "PNG")
    return target.getvalue()
