"""The papers of the project: their links lead somewhere, and what they name exists."""

import re
import subprocess
from dataclasses import fields
from pathlib import Path

from csss.config import Settings, environment_name
from tests.tables import for_each

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "models").rglob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
    ]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Folders that training and translating make.
MADE_LATER = ("training/runs", "csss/translations")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def prose(document: Path) -> str:
    """The text without its code blocks, in which brackets are no links."""
    return re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The anchors that a Markdown page has for its headings."""
    headings = re.findall(r"^#+ (.+)$", prose(document), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@for_each("document", DOCUMENTS)
def test_every_link_between_our_pages_leads_somewhere(document: Path) -> None:
    for link in LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link} leads nowhere"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}: no such heading"


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 200


def test_the_example_of_settings_names_real_settings_and_sets_each_once() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    named = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    assert set(named) <= {environment_name(each.name) for each in fields(Settings)}
    assert len(named) == len(set(named))


def test_decisions_are_numbered_and_say_what_was_refused() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    for path in DECISIONS:
        assert re.findall(r"^## (.+)$", path.read_text("utf-8"), flags=re.MULTILINE) == [
            "Context",
            "Decision",
            "Refused",
            "Consequences",
        ], path.name


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    named = {
        target
        for document in DOCUMENTS
        for target in re.findall(r"`make ([a-z-]+)", document.read_text("utf-8"))
    }
    assert named <= targets, f"the Makefile has no {sorted(named - targets)}"


def tracked_files() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


def test_every_file_that_a_page_names_is_there() -> None:
    tracked = tracked_files()
    folders = {str(parent) for path in tracked for parent in Path(path).parents}
    for document in DOCUMENTS:
        for name in re.findall(
            r"`((?:csss|training|tests|docs|static|templates|deploy)/[\w/.\-]+)`", document.read_text("utf-8")
        ):
            assert name in tracked or name.rstrip("/") in folders or name.startswith(MADE_LATER), (
                f"{document.name} names {name}, which is not there"
            )


def test_every_file_that_code_names_is_there() -> None:
    """In comments, most of all: a file that has moved is looked for where it was."""
    tracked = tracked_files()
    named = re.compile(
        r"(?<![\w/.])(?:(?:csss|training|tests|docs|static|templates|deploy|migrations|benchmarks|js)/)"
        r"[\w/.\-]+\.(?:py|html|js|css|md|toml|csv|conf)\b"
    )
    for name in sorted(tracked):
        if re.match(r"(csss|training|templates|static|benchmarks)/.*\.(py|html|js|css|toml)$", name):
            for found in named.findall((ROOT / name).read_text("utf-8")):
                assert found in tracked or f"static/{found}" in tracked, (
                    f"{name} names {found}, which is not there"
                )


def test_the_structure_in_the_readme_is_the_one_there_is() -> None:
    drawn = (ROOT / "README.md").read_text("utf-8").partition("## Structure")[2].partition("Imports point")[0]
    packages = {path.parent.name for path in (ROOT / "csss").glob("*/__init__.py")}
    named = set(re.findall(r"csss/(\w+)/", drawn)) - {"data"}
    assert packages <= named, f"add to “Structure” in README.md: {sorted(packages - named)}"
    assert named <= packages, f"“Structure” in README.md names what is gone: {sorted(named - packages)}"
