"""The `csss` command, as a deployer types it."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from csss import create_app
from csss.auth.models import RecoveryCode
from csss.cli import main
from csss.config import load_settings
from csss.database import db, transaction
from csss.demo.redis import redis_server
from csss.hospital.models import HospitalVersion
from csss.paths import ROOT
from csss.people.models import AccountState, User
from csss.people.roles import Role
from tests.stack import eventually, free_port

PASSWORD = "a long enough password"


@pytest.fixture
def deployer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A deployer in an empty folder, with the demo's way of sending mail."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CSSS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CSSS_MAIL_FOLDER", str(tmp_path / "mail"))
    monkeypatch.setenv("CSSS_BCRYPT_ROUNDS", "4")
    return CliRunner()


def test_migrate_then_create_admin_makes_somebody_who_can_sign_in(deployer: CliRunner) -> None:
    assert deployer.invoke(main, ["migrate"]).exit_code == 0
    arguments = ["create-admin", "--email", "Boss@Csss.Example", "--name", "The Boss", "--password-file", "-"]
    made = deployer.invoke(main, arguments, input=f"{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    assert len(re.findall(r"^  (?:[0-9a-f]{4}-){3}[0-9a-f]{4}$", made.output, re.MULTILINE)) == 10
    app = create_app(load_settings())
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        assert (user.email, user.role, user.state) == ("boss@csss.example", Role.ADMIN, AccountState.ACTIVE)
        assert len(db.session.scalars(select(RecoveryCode)).all()) == 10
        db.session.remove()
        db.engine.dispose()


def test_what_migrate_makes_is_for_its_own_user_alone(deployer: CliRunner, tmp_path: Path) -> None:
    assert deployer.invoke(main, ["migrate"]).exit_code == 0
    made = {tmp_path / "instance", *(tmp_path / "instance").iterdir()}
    assert {path.name for path in made} >= {"instance", "csss.db", "secret_key"}
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_create_admin_says_what_is_wrong_with_the_password(deployer: CliRunner) -> None:
    deployer.invoke(main, ["migrate"])
    arguments = ["create-admin", "--email", "boss@csss.example", "--name", "The Boss", "--password-file", "-"]
    refused = deployer.invoke(main, arguments, input="short\n")
    assert refused.exit_code == 1
    assert "at least 12 characters" in refused.output


def test_check_names_what_is_missing_and_how_to_mend_it(
    deployer: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSSS_REDIS_URL", "redis://127.0.0.1:1/0")
    result = deployer.invoke(main, ["check"])
    assert result.exit_code == 1
    assert re.search(r"FAIL +Database: .*does not exist yet\n +csss migrate", result.output)
    assert re.search(r"FAIL +Redis: .*\n +Start it .* or set CSSS_REDIS_URL", result.output)
    assert re.search(r"ok +Classifier: ", result.output)


def test_check_names_the_system_libraries_when_pango_is_absent(
    deployer: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As WeasyPrint fails without them: an OSError at its import."""
    script = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'weasyprint': raise OSError('cannot load library libpango-1.0-0')\n"
        "sys.meta_path.insert(0, Absent())\n"
        "sys.argv = ['csss', 'check']\n"
        "from csss.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "apt-get install libpango-1.0-0 libpangoft2-1.0-0" in done.stdout


def test_check_names_the_library_that_cuts_fonts_down_when_it_is_absent(
    deployer: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    output = deployer.invoke(main, ["check"]).output
    assert re.search(r"FAIL +Font subsetting: .*\n +apt-get install libharfbuzz-subset0", output)
    assert "libharfbuzz-subset0" in (ROOT / "README.md").read_text("utf-8").split("make demo")[0]


def test_check_finds_a_hospital_whose_name_no_report_can_print(
    deployer: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert re.search(r"ok +Report: ", deployer.invoke(main, ["check"]).output)
    monkeypatch.setenv("CSSS_HOSPITAL_NAME", "北京 Hospital")
    output = deployer.invoke(main, ["check"]).output
    assert re.search(r"FAIL +Report: its fonts lack letters of 北京\n +Change CSSS_HOSPITAL_NAME", output)


def test_check_reads_what_an_administrator_has_set(
    deployer: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployer.invoke(main, ["migrate"])
    arguments = ["create-admin", "--email", "boss@csss.example", "--name", "The Boss", "--password-file", "-"]
    deployer.invoke(main, arguments, input=f"{PASSWORD}\n")
    app = create_app(load_settings())
    with app.app_context():
        with transaction():
            by = db.session.scalars(select(User)).one()
            db.session.add(HospitalVersion(number=1, name="北京 Clinic", changed_by_id=by.id))
        db.session.remove()
        db.engine.dispose()
    output = deployer.invoke(main, ["check"]).output
    assert re.search(r"FAIL +Report: its fonts lack letters of 北京\n +Change the page “Hospital”", output)
    monkeypatch.setenv("CSSS_HOSPITAL_NAME", "Clinic of Beijing")
    assert re.search(r"ok +Report: ", deployer.invoke(main, ["check"]).output)


def test_a_bad_setting_is_a_sentence_and_no_traceback(
    deployer: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSSS_OTP_MINUTES", "soon")
    result = deployer.invoke(main, ["check"])
    assert result.exit_code == 1
    assert result.output == "Error: CSSS_OTP_MINUTES is 'soon': it must be a whole number.\n"


@pytest.mark.slow
def test_the_demo_comes_up_fresh_with_its_accounts_and_stops_when_told(tmp_path: Path) -> None:
    redis_server()
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CSSS_")}
    environment["CSSS_PORT"] = str(port)
    with (tmp_path / "demo.log").open("wb") as log:
        demo = subprocess.Popen(
            [sys.executable, "-m", "csss", "demo"], cwd=tmp_path, env=environment, stdout=log, stderr=log
        )

    def ready() -> bool:
        assert demo.poll() is None, (tmp_path / "demo.log").read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=3) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    try:
        eventually(ready, 90)
        eventually(lambda: "CSSS is ready" in (tmp_path / "demo.log").read_text(), 10)
        output = (tmp_path / "demo.log").read_text()
        for role in Role:
            assert f"{role}@csss.example" in output
        assert list((tmp_path / "instance" / "demo" / "mail").glob("*.eml"))
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0, (tmp_path / "demo.log").read_text()


def test_a_second_demo_on_the_same_port_says_so_and_leaves_the_data_of_the_first(
    deployer: CliRunner, tmp_path: Path
) -> None:
    (tmp_path / "instance" / "demo").mkdir(parents=True)
    (tmp_path / "instance" / "demo" / "csss.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = deployer.invoke(main, ["demo", "--port", str(port)])
    assert refused.exit_code == 1
    assert f"Port {port} cannot be used" in refused.output
    assert (tmp_path / "instance" / "demo" / "csss.db").exists()
