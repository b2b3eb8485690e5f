"""`make check`: are there known vulnerabilities in what we depend on, and what do we depend on (sbom.json).

pip-audit says "No known vulnerabilities found" also when the advisory service knew nothing of a package or could not be
asked at all. Here that is said, and said loudly; only a vulnerability that was found makes the check fail.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ROOT / "requirements/run.txt"
SBOM = ROOT / "sbom.json"
PATIENCE = 120  # seconds, where nothing answers


@dataclass(frozen=True)
class Audit:
    """What is known of the locked packages: (package, vulnerability, mended in), and those nobody could tell about."""

    vulnerable: tuple[tuple[str, str, str], ...] = ()
    unknown: tuple[str, ...] = ()
    total: int = 0

    @property
    def failed(self) -> bool:
        return bool(self.vulnerable)

    def words(self) -> str:
        lines = [f"{package}: {name}, mended in {fix}" for package, name, fix in self.vulnerable]
        if self.total == 0 or len(self.unknown) == self.total:
            lines.append(
                "!!! NOT CHECKED: the advisory service could not be asked. Nothing is known about any package."
            )
        elif self.unknown:
            lines.append(
                f"!!! NOT CHECKED, because the advisory service does not know: {', '.join(self.unknown)}"
            )
        known = self.total - len(self.unknown)
        return "\n".join(
            [*lines, f"{known} of {self.total} packages checked, {len(self.vulnerable)} vulnerabilities."]
        )


def read(report: str) -> Audit:
    """What pip-audit's JSON says. Empty or cut off: it knows nothing."""
    try:
        found = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit()
    vulnerable = [
        (f"{each['name']} {each['version']}", hole["id"], ", ".join(hole["fix_versions"]) or "no version yet")
        for each in found
        for hole in each.get("vulns", ())
    ]
    unknown = [each["name"] for each in found if "skip_reason" in each]
    return Audit(tuple(vulnerable), tuple(unknown), len(found))


def audit() -> Audit:
    """Ask about exactly the versions that are installed in production; nothing is downloaded."""
    command = [
        "pip_audit",
        "--disable-pip",
        "--require-hashes",
        "--progress-spinner",
        "off",
        "-f",
        "json",
        "-r",
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-m", *command, str(LOCKED)],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return Audit()
    if not done.stdout:
        print(done.stderr[-500:], file=sys.stderr)
    return read(done.stdout)


def write_sbom() -> None:
    """CycloneDX, from the lock file: the same file for the same lock file."""
    source = [str(LOCKED), "--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application"]
    command = ["cyclonedx_py", "requirements", *source, "--output-reproducible", "-o", str(SBOM)]
    subprocess.run([sys.executable, "-m", *command], check=True)
    print(f"{SBOM.name}: {len(json.loads(SBOM.read_text(encoding='utf-8'))['components'])} components")


if __name__ == "__main__":
    write_sbom()
    result = audit()
    print(result.words())
    raise SystemExit(result.failed)
