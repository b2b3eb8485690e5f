"""Every command line of the documents works as it stands there; what cannot be tried says why."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis
from _pytest.mark import ParameterSet

from csss import create_app
from csss.database import db
from csss.demo.run import environment
from csss.scans.states import Status
from csss.storage.keys import new_key
from tests.conftest import settings_for
from tests.documented_commands import ROOT, commands, variants
from tests.factories import Clinic, picture
from tests.hospital import fill
from tests.stack import eventually, free_port

MAKE = "takes minutes to hours, or the network; its recipe is looked at instead"
_NETWORK = "installs packages; every `make` target and .ci/run do it"
_DATA = (
    "takes an hour and the pictures of patients; tests/training does its steps, and its options are looked at"
)
_DEMO = "`csss demo` with its options is tried, and test_commands.py starts it plain"
NOT_TRIED = {
    "pip install --require-hashes -r requirements/run.txt && pip install --no-deps .": _NETWORK,
    'pip install -e ".[trial]"': _NETWORK,
    "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0": _NETWORK,
    "apt-get install python3-venv libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0": _NETWORK,
    "apt-get install chromium-headless-shell": _NETWORK,
    ".venv/bin/python -m pytest": "runs what you read",
    "python3 -m venv .venv": _NETWORK,
    ".venv/bin/pip install --require-hashes -r requirements/run.txt": _NETWORK,
    ".venv/bin/pip install --no-deps .": _NETWORK,
    "CSSS_DATA=/path/to/data make train": MAKE,
    **{
        f"make {name}": MAKE
        for name in ("demo", "test", "fast", "lint", "chaos", "load", "bench", "screenshots")
    },
    **{
        f"make {name}": MAKE
        for name in (
            "messages",
            "train",
            "check",
            "asvs",
            "fuzz [EXAMPLES=20000]",
            "damages [EXAMPLES=5000]",
            "asvs [ARGS=V6]",
        )
    },
    "python -m training": _DATA,
    "python -m training --version csss-5 all": _DATA,
    "python -m training evaluate": _DATA,
    "python -m training synthetic": _DATA,
    "python -m training manifest --nih NIH --covid COVID-19_Radiography_Dataset --cad CAD --out data": _DATA,
    "csss change-secret-key": "asks for keys; test_change_secret_key.py does it in every way",
    "csss demo": _DEMO,
    "csss demo --keep": _DEMO,
}


@dataclass(frozen=True)
class Try:
    """How a documented line is tried, by a shell in a folder with a system in it: `before` and `after` are lines
    around it, `typed` is what somebody answers, `says` has to be told. What is `served` runs until it answers.
    `readings`: the system holds some hundred verified readings."""

    says: str = ""
    before: str = ""
    after: str = ""
    typed: str = ""
    served: str = ""
    readings: bool = False


_PASSWORD = "a long enough password\n"
_OTHER = "export CSSS_INSTANCE=$PWD/other"
_KEY = "export CSSS_STORAGE_KEYS=$(csss storage new-key)"
_BACKUP = f"csss backup SOURCE; {_OTHER}"
_DRAW = (
    "csss study draw chest-2026 --kind chest_xray --target COVID --target Lung_Opacity --target Viral_Pneumonia "
    "--since 2026-01-01 --until 2026-12-31 --size 774 --reader R1 --reader R2 --adjudicator R3 --observer D1 --width 0.1"
)
_HANDED_OUT = (
    f"{_DRAW}; csss study export chest-2026 out; "
    r"for each in R1 R2 D1; do sed 's/,\r$/,Normal\r/' out/sheet-$each.csv > sheet-$each.csv; done"
)
_READ = _HANDED_OUT + "".join(
    f"; csss study import chest-2026 sheet-{each}.csv --reader {each}" for each in ("R1", "R2", "D1")
)
TRIED = {
    "csss migrate": Try("up to date", before=_OTHER, after="test -f other/csss.db"),
    "csss create-admin": Try(
        "Recovery codes", typed=f"boss@csss.example\nThe Boss\n{_PASSWORD}{_PASSWORD}", after="csss check"
    ),
    "csss check": Try("Everything is in place."),
    "csss web": Try(served="/healthz"),
    "csss worker": Try(served="inference reports mail codes"),
    "csss worker inference": Try(served="inference"),
    "csss worker [QUEUE…]": Try(served="inference"),
    "csss demo [--keep] [--port N]": Try(served="/readyz"),
    "csss storage new-key": Try(f"k{datetime.now(UTC):%Y%m%d}:"),
    "csss storage rotate": Try("files encrypted with the key", before=_KEY, after="csss storage check"),
    "CSSS_STORAGE_KEYS=k20261126:…": Try("stored files with the key", after="export CSSS_STORAGE_KEYS; csss check"),
    "CSSS_STORAGE_PLAIN=0": Try(
        "are there and open", before=f"{_KEY}; csss storage rotate", after="export CSSS_STORAGE_PLAIN; csss storage check"
    ),
    "csss storage check": Try("are there and open"),
    "csss erase-patient MRN": Try("has been erased", typed="Asked for\nMRN\n", after="csss finish-erasures"),
    "csss finish-erasures": Try("All files of erased patients are gone"),
    "csss predict IMAGE… [--json] [--heatmap FOLDER] [--kind KIND]": Try("Normal"),
    "csss models": Try("csss-"),
    "csss recalibrate": Try("+h1 has been made", readings=True),
    "csss recalibrate [--right PERCENT] [--classes CSV] [--unnamed NEW_CSV]": Try(
        "scans. Fill in the column class", before="echo scan,class > CSV"
    ),
    "csss recalibrate --unnamed unnamed.csv": Try("0 scans", after="head -1 unnamed.csv"),
    "csss recalibrate --right 90 --classes named.csv": Try(
        "+h1 has been made", readings=True, before="echo scan,class > named.csv", after="csss models | grep +h1"
    ),
    "csss study --help": Try("draw"),
    "csss study plan --sensitivity 0.9 --specificity 0.9 --width 0.1 --prevalence 0.2": Try("774 scans in all"),
    _DRAW: Try("1 of 1 scans have been drawn"),
    "csss study export chest-2026 FOLDER": Try("1 scans have been exported", before=_DRAW),
    "csss study import chest-2026 sheet-R1.csv --reader R1": Try("1 readings of R1", before=_HANDED_OUT),
    "csss study import chest-2026 sheet-D1.csv --reader D1 --with-classifier": Try(
        "1 readings of D1", before=_HANDED_OUT, after="csss study show chest-2026 | grep 'D1 with the classifier'"
    ),
    "csss study show chest-2026": Try("Withdrawn: none", before=_DRAW),
    "csss study report chest-2026": Try("report.pdf", before=_DRAW),
    "csss study report chest-2026 --json": Try('"calibration"', before=_READ),
    "csss audit verify": Try("as they were sealed"),
    "csss audit export": Try('"action"'),
    "csss audit seal": Try(),
    "csss backup TARGET [--with-secret-key]": Try("rows of", after=f"{_OTHER}; csss restore TARGET"),
    "csss backup /backups/csss-$(date +%F).tar.gz": Try("rows of", after=f"{_OTHER}; csss restore /backups/*"),
    "csss restore SOURCE [--force] [--other-key]": Try("has been restored", before=_BACKUP),
    "csss restore FILE": Try("has been restored", before=_BACKUP),
    "set -o pipefail; csss backup - | age -r age1… > csss.tar.gz.age": Try("rows of"),
    "age -d -i key.txt csss.tar.gz.age | csss restore -": Try(
        "has been restored", before=f"csss backup - | age -r age1… > csss.tar.gz.age; {_OTHER}", after="csss storage check"
    ),
    r"30 2 * * * cd /srv/csss && .venv/bin/csss backup /backups/csss-$(date +\%F).tar.gz && "
    r"find /backups -name 'csss-*.tar.gz' -mtime +14 -delete": Try(
        before="touch -d '20 days ago' /backups/csss-old.tar.gz",
        after="test ! -e /backups/csss-old.tar.gz; ls /backups/csss-2*",
    ),
    "csss settings": Try("CSSS_INSTANCE"),
    "csss diagram": Try("stateDiagram-v2"),
    ".venv/bin/pybabel init -i messages.pot -d csss/translations -l de": Try(
        before="pybabel -q extract -F ROOT/babel.cfg -o messages.pot ROOT/templates",
        after="test -s csss/translations/de/LC_MESSAGES/messages.po",
    ),
    "flask --app csss.development run --debug": Try(
        served="/styleguide", before="cd ROOT; export FLASK_RUN_PORT=$CSSS_PORT"
    ),
}  # fmt: skip


def test_every_documented_command_is_tried_or_says_why_not() -> None:
    assert set(commands()) == TRIED.keys() | NOT_TRIED.keys()
    assert not TRIED.keys() & NOT_TRIED.keys()


@pytest.mark.parametrize("command", [each for each, why in NOT_TRIED.items() if why == MAKE])
def test_a_make_target_that_takes_long_has_a_recipe_of_things_that_are_there(command: str) -> None:
    target = re.sub(r"\[|\]|CSSS_DATA=\S+ ", "", command).split()
    shown = subprocess.run(
        [*target[:1], "-n", *target[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    for module in re.findall(r" -m ([a-z_.]+)", shown.stdout):
        assert find_spec(module), module


@pytest.mark.parametrize("command", [each for each, why in NOT_TRIED.items() if why == _DATA])
def test_a_command_of_the_training_has_the_options_that_are_shown(command: str) -> None:
    steps = [word for word in command.split()[3:] if re.fullmatch("[a-z]+", word) and word != "data"]
    shown = ""
    for words in ([], steps[:1]):
        done = subprocess.run(
            [sys.executable, "-m", "training", *words, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        shown += done.stdout
    for option in re.findall(r"--[a-z]+", command):
        assert option in shown


@dataclass(frozen=True)
class Place:
    """A folder with a system in it: database, storage, a patient with a read scan, Redis, and all commands."""

    folder: Path
    mrn: str
    redis_url: str
    port: int

    def filled(self, text: str) -> str:
        """With the values that the documents leave to the reader."""
        for placeholder, value in (
            (r"IMAGE…", f"{ROOT}/csss/demo/scans/Normal-1.jpg"),
            (r"\bTARGET\b|\bSOURCE\b", "copy"),
            (r"\bFILE\b", "copy"),
            (r"\bFOLDER\b", "heatmaps"),
            (r"--size 774", "--size 1"),
            (r"--until 2026-12-31", "--until 2100-01-01"),
            (r"\bKIND\b", "chest_xray"),
            (r"\bPERCENT\b", "90"),
            (r"\bCSV\b", "classes.csv"),
            (r"\bMRN\b", self.mrn),
            (r"QUEUE…", "inference"),
            (r"--port N\b", f"--port {self.port}"),
            (r"\bROOT\b", str(ROOT)),
            (r"/backups", f"{self.folder}/backups"),
            (r"/srv/csss", str(self.folder)),
            (r"\bk20261126:…", new_key("k20261126")),
            (r"age1…", "$(cat recipient.txt)"),
            (r"^(\S+ ){5}(?=cd )", ""),  # when cron does it
            (r"\\%", "%"),  # as cron reads it
        ):
            text = re.sub(placeholder, value.replace("\\", r"\\"), text)
        return text

    def environment(self) -> dict[str, str]:
        settings = settings_for(
            self.folder, redis_url=self.redis_url, port=self.port, base_url=f"http://127.0.0.1:{self.port}"
        )
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CSSS_")}
        path = f"{self.folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**inherited, **environment(settings), "PATH": path}


@pytest.fixture(scope="module")
def furnished(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A system as it stands after a while; each command gets a copy of its own."""
    folder = tmp_path_factory.mktemp("furnished")
    shutil.copy(migrated_sqlite, folder / "csss.db")
    app = create_app(settings_for(folder))
    with app.app_context():
        clinic = Clinic(app)
        patient = clinic.person("patient")
        clinic.scan(Status.AI_ANALYZED, patient=patient, image=picture(64, 64))
        clinic.run_jobs()
        assert patient.patient is not None
        mrn = patient.patient.mrn
        db.session.remove()
        db.engine.dispose()
    for name in ("bin", "backups", "mail"):
        (folder / name).mkdir(exist_ok=True)
    _age(folder)
    return folder, mrn


@pytest.fixture(scope="module")
def read(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The same system with some hundred verified readings."""
    folder = tmp_path_factory.mktemp("read") / "csss"
    shutil.copytree(furnished[0], folder)
    app = create_app(settings_for(folder))
    with app.app_context():
        fill(Clinic(app), 300)
        db.engine.dispose()
    return folder, furnished[1]


def _age(folder: Path) -> None:
    """The program that the example encrypts with, or one that only passes on what it gets."""
    if shutil.which("age"):
        subprocess.run(["age-keygen", "-o", str(folder / "key.txt")], check=True, capture_output=True)
        shown = subprocess.run(["age-keygen", "-y", str(folder / "key.txt")], check=True, capture_output=True)
        (folder / "recipient.txt").write_bytes(shown.stdout)
        return
    warnings.warn(
        "age is not installed: the encrypted backup of the documents is tried with `cat`", stacklevel=1
    )
    (folder / "recipient.txt").write_text("age1example")
    (folder / "bin" / "age").write_text('#!/bin/sh\ntest "$1" = -d && exec cat "$4"\nexec cat\n')
    (folder / "bin" / "age").chmod(0o755)


@pytest.fixture
def place(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Place:
    wanted = "read" if TRIED[request.getfixturevalue("line")].readings else "furnished"
    source, mrn = request.getfixturevalue(wanted)
    folder = tmp_path / "csss"
    shutil.copytree(source, folder)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return Place(folder, mrn, redis_url, free_port())


def _cases() -> list[ParameterSet]:
    shown = commands()
    return [
        pytest.param(
            line,
            each,
            id=each[:60],
            marks=pytest.mark.xdist_group("readings") if TRIED[line].readings else (),
        )
        for line in TRIED
        for each in variants(line)
        if each == line or each not in shown
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("line", "variant"), _cases())
def test_a_documented_command_does_what_it_says(line: str, variant: str, place: Place) -> None:
    how = TRIED[line]
    before, command, after, typed = map(place.filled, (how.before, variant, how.after, how.typed))
    if how.served:
        serve(f"set -e\n{before}\nexec {command}", how.served, place)
        return
    # In a session of its own nobody is asked at the terminal: what is typed comes from standard input.
    done = subprocess.run(
        ["bash", "-c", f"set -e\n{before}\n{command}\n{after}"],
        cwd=place.folder,
        env=place.environment(),
        input=typed,
        capture_output=True,
        text=True,
        timeout=200,
        start_new_session=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert how.says in done.stdout + done.stderr


def serve(script: str, until: str, place: Place) -> None:
    """Start it, wait until it does what it is for (a page, or workers at these queues), and tell it to stop."""
    with (place.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=place.folder,
            env=place.environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def serves() -> bool:
        assert process.poll() is None, (place.folder / "log").read_text()
        if not until.startswith("/"):
            with redis.Redis.from_url(place.redis_url) as connection:
                return all(connection.scard(f"rq:workers:{queue}") for queue in until.split())
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{place.port}{until}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    try:
        try:
            eventually(serves, 120)
        except AssertionError:
            raise AssertionError(f"{script} does not serve: {(place.folder / 'log').read_text()}") from None
        process.send_signal(signal.SIGTERM)
        # Flask's own server for development knows no way of stopping.
        assert process.wait(60) in {0, -signal.SIGTERM}
    finally:
        if process.poll() is None:
            process.terminate()  # a supervisor stops its children, which are no part of its group
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
        with suppress(ProcessLookupError):  # when all of it has ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        with redis.Redis.from_url(place.redis_url) as connection:
            connection.flushall()
