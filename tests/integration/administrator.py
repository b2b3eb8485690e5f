"""The administrator's pages: their addresses, what is listed on them, and codes from the mail."""

import re
import uuid

from bs4 import BeautifulSoup

from csss.scans.models import Scan
from tests.factories import PASSWORD, Clinic

MINE = {"current_password": PASSWORD}


def url(scan: Scan | uuid.UUID, step: str = "") -> str:
    scan_id = scan.id if isinstance(scan, Scan) else scan
    return f"/admin/scans/{scan_id}{'/' + step if step else ''}"


def listed(page: BeautifulSoup, region: str = "queue") -> list[str]:
    """The names in the list, without what else stands in their cells."""
    return [
        " ".join((cell.a or cell).get_text(" ").split()) for cell in page.select(f"#{region} tbody td.main")
    ]


def code_from_mail(clinic: Clinic) -> str:
    """The six digits that the newest mail carries."""
    clinic.run_jobs("send_mail")
    body = clinic.mail[-1].get_content()
    found = re.findall(r"(?<!\d)\d{6}(?!\d)", body)
    assert len(found) == 1, body
    return str(found[0])


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"
