"""What no file of the project may hold: paths of somebody's machine, hosts of package registries, keys."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = {
    ".py",
    ".html",
    ".txt",
    ".md",
    ".toml",
    ".css",
    ".js",
    ".json",
    ".j2",
    ".mako",
    ".svg",
    ".yml",
    ".yaml",
    "",
}
# Written so that this file does not hold what it looks for.
FORBIDDEN = {
    "a path of a machine": re.compile(
        r"(?<![\w.])/(?:" + "|".join(("work", "home", "Users", "root")) + r")/[\w.]"
    ),
    "a host of a registry": re.compile(
        "|".join(("pypi" + r"\.org", "files" + r"\.pythonhosted", "registry" + r"\.npmjs"))
    ),
    "a private key": re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----"),
}


def tracked() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this is no git checkout ({error})")
    files = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in files if path.suffix in TEXT and path.is_file()]


@pytest.mark.parametrize("what", sorted(FORBIDDEN))
def test_no_file_holds(what: str) -> None:
    found = []
    for path in tracked():
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), start=1):
            if match := FORBIDDEN[what].search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []


def test_no_database_no_mail_and_no_patients_picture_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = listed.splitlines()
    assert [
        name for name in names if re.search(r"\.(db|sqlite3?|eml|dcm|env)$|^instance/|^shared/", name)
    ] == []
