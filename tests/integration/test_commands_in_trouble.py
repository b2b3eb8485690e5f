"""What is wrong with an installation is told in a sentence: at the command that meets it, and by `csss check`."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from csss.cli import main
from tests.disks import CannotMount, small_file_system
from tests.stack import free_port

SECRET = "a test key that is long enough to be taken as one"
Run = Callable[..., Result]


@pytest.fixture
def csss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a command in an empty folder, with these variables and no others of ours."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CSSS_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str, **variables: str) -> Result:
        settings = {f"CSSS_{name.upper()}": value for name, value in variables.items()}
        return CliRunner().invoke(
            main, arguments, env={"CSSS_REDIS_URL": "redis://127.0.0.1:1/0", **settings}
        )

    return run


def in_a_sentence(result: Result) -> str:
    """What was told: one line and no traceback, SQL or password."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    (line,) = result.output.strip().splitlines()
    assert line.startswith("Error: ")
    assert "geheim" not in line and "[SQL" not in line and "sqlalche" not in line
    return line


WITH_THE_DATABASE = (
    ("migrate",),
    ("audit", "verify"),
    ("storage", "check"),
    ("backup", "copy"),
    ("finish-erasures",),
    ("erase-patient", "MRN-1", "--reason", "asked for", "--yes"),
)


def test_a_command_needs_nothing_that_only_another_one_has_loaded(csss: Run, tmp_path: Path) -> None:
    """In a process of its own: here all of CSSS is loaded already."""
    assert csss("migrate").exit_code == 0
    environment = {"PATH": os.environ["PATH"], "CSSS_INSTANCE": str(tmp_path / "instance")}
    for arguments in (["backup", "copy.tar"], ["storage", "check"], ["audit", "export"], ["finish-erasures"]):
        ended = subprocess.run(
            [sys.executable, "-m", "csss", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("command", WITH_THE_DATABASE, ids=" ".join)
def test_a_database_that_does_not_answer_is_named_without_its_password(
    csss: Run, command: tuple[str, ...]
) -> None:
    for host in (
        "u:geheim@127.0.0.1:1/csss",
        "u:geheim@localhost:1/csss",
        "127.0.0.1:1/csss?user=u&password=geheim",
    ):
        told = in_a_sentence(csss(*command, database_url=f"postgresql://{host}"))
        assert "Connection refused" in told and "CSSS_DATABASE_URL" in told and ":1/csss" in told


@pytest.mark.parametrize("command", WITH_THE_DATABASE[1:], ids=" ".join)
def test_before_the_first_migrate_a_command_says_so(csss: Run, command: tuple[str, ...]) -> None:
    told = in_a_sentence(csss(*command))
    assert "Run csss migrate." in told or "The database is empty: there is nothing to back up." in told


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:geheim@db/csss",
        "postgres:/oops",
        "postgresql+psycopg2://u:geheim@db/csss",
        "csss.db",
        "sqlite://",
        "oracle",
    ],
)
def test_an_address_of_no_database_of_ours_is_refused_with_what_is_expected(csss: Run, url: str) -> None:
    for command in ("migrate", "check", "web"):
        told = in_a_sentence(csss(command, database_url=url))
        assert "CSSS_DATABASE_URL must begin with postgresql://" in told and "sqlite:///" in told


def test_an_address_that_cannot_be_read_is_refused(csss: Run) -> None:
    told = in_a_sentence(csss("migrate", database_url="postgresql://u:geheim@db:port/csss"))
    assert "CSSS_DATABASE_URL cannot be read" in told


def test_a_database_file_in_no_folder_or_of_something_else_is_told(csss: Run, tmp_path: Path) -> None:
    told = in_a_sentence(csss("migrate", database_url=f"sqlite:///{tmp_path}/nowhere/csss.db"))
    assert f"the folder {tmp_path}/nowhere does not exist" in told
    (tmp_path / "notes.txt").write_text("no database, but more than a page of other things\n" * 200)
    told = in_a_sentence(csss("migrate", database_url=f"sqlite:///{tmp_path}/notes.txt"))
    assert "file is not a database" in told and "CSSS_DATABASE_URL" in told


def test_check_makes_nothing_and_prints_no_sql(csss: Run, tmp_path: Path) -> None:
    result = csss("check")
    assert "csss migrate" in result.output and "[SQL" not in result.output and "SELECT" not in result.output
    assert "Outbox: not looked at: the database comes first" in result.output
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance" / "csss.db").touch()
    assert "is empty" in csss("check").output
    assert [path.name for path in (tmp_path / "instance").iterdir()] == ["csss.db"]
    assert (tmp_path / "instance" / "csss.db").stat().st_size == 0
    csss("migrate")
    made = {path.name for path in (tmp_path / "instance").iterdir()}
    assert "nothing waits" in csss("check").output
    assert {path.name for path in (tmp_path / "instance").iterdir()} == made


def test_migrate_keeps_a_database_to_its_owner_and_says_when_it_was_not(csss: Run, tmp_path: Path) -> None:
    assert "could be read by others" not in csss("migrate").output
    database = tmp_path / "instance" / "csss.db"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    database.chmod(0o644)
    holder = sqlite3.connect(database)  # somebody works with it: there are files beside it
    holder.execute("SELECT count(*) FROM users").fetchall()
    beside = [database.with_name(database.name + suffix) for suffix in ("-wal", "-shm")]
    try:
        for path in beside:
            path.chmod(0o644)
        told = csss("migrate").output
        assert [stat.S_IMODE(path.stat().st_mode) for path in (database, *beside)] == [0o600] * 3
    finally:
        holder.close()
    assert f"{database} could be read by others; now only by its owner." in told


def test_whoever_opens_the_database_first_makes_it_for_its_owner_alone(csss: Run, tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        csss("audit", "verify")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "instance" / "csss.db").stat().st_mode) == 0o600


def test_a_secret_key_that_cannot_be_used_is_named_as_such(csss: Run, tmp_path: Path) -> None:
    for command in ("check", "migrate", "web"):
        assert "CSSS_SECRET_KEY is too short" in in_a_sentence(csss(command, secret_key="short"))
    csss("migrate")
    kept = tmp_path / "instance" / "secret_key"
    for content in (b"", b"short", b"\xff" * 64):
        kept.write_bytes(content)
        assert f"FAIL  Secret key: {kept} holds no usable secret key" in csss("check").output
        assert "no usable secret key" in in_a_sentence(csss("audit", "verify"))
        assert "no usable secret key" in csss("web").output
        assert kept.read_bytes() == content


def started(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """As systemd starts it, for as long as somebody would wait to see it fail."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CSSS_")}
    settings = {
        "CSSS_SECRET_KEY": SECRET, "CSSS_REDIS_URL": "redis://127.0.0.1:1/0", "CSSS_PORT": str(free_port()),
        **{f"CSSS_{name.upper()}": value for name, value in variables.items()},
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "csss", *arguments],
        cwd=tmp_path, env={**inherited, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        told, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.terminate()  # it serves; a supervisor stops its children
        told, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(arguments, process.returncode, told, errors)


PARTS = (("web",), ("worker", "inference"), ("worker",))


@pytest.mark.parametrize("part", PARTS, ids=" ".join)
def test_nothing_starts_with_a_model_that_is_missing_or_damaged(
    csss: Run, part: tuple[str, ...], tmp_path: Path
) -> None:
    csss("migrate", secret_key=SECRET)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "labels.json").write_text("{")
    for model, sentence in ((tmp_path / "nowhere", "is not a model folder"), (broken, "cannot be used")):
        done = started(tmp_path, *part, model=str(model))
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert sentence in done.stderr and "CSSS_MODEL" in done.stderr
        (line,) = [
            line for line in csss("check", model=str(model)).output.splitlines() if "Classifier: " in line
        ]
        assert line.removeprefix("FAIL  ") in done.stderr


@pytest.mark.parametrize("part", [*PARTS, ("worker", "reports"), ("worker", "mail")], ids=" ".join)
def test_nothing_that_needs_the_storage_starts_without_it(
    csss: Run, part: tuple[str, ...], tmp_path: Path
) -> None:
    csss("migrate", secret_key=SECRET)
    in_the_way = tmp_path / "storage"
    in_the_way.write_text("a file, where a folder is meant")
    done = started(tmp_path, *part, storage_url=f"file://{in_the_way}")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert (
        f"Storage: {in_the_way}: Not a directory" in done.stderr and "Make the folder writable" in done.stderr
    )
    assert (
        f"FAIL  Storage: {in_the_way}: Not a directory"
        in csss("check", storage_url=f"file://{in_the_way}").output
    )


def test_a_storage_that_may_only_be_read_keeps_the_pages_from_starting(csss: Run, tmp_path: Path) -> None:
    csss("migrate", secret_key=SECRET)
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        with small_file_system(folder, "1m"):
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
            for storage in (folder, folder / "below"):
                done = started(tmp_path, "web", storage_url=f"file://{storage}")
                assert done.returncode == 1 and f"Storage: {storage}: " in done.stderr
                assert f"FAIL  Storage: {storage}: " in csss("check", storage_url=f"file://{storage}").output
    except CannotMount as reason:
        pytest.skip(str(reason))


def test_nothing_starts_before_the_first_migrate(csss: Run, tmp_path: Path) -> None:
    done = started(tmp_path, "web")
    assert done.returncode == 1 and "does not exist yet\ncsss migrate" in done.stderr
    assert not (tmp_path / "instance").exists()


def test_a_variable_that_is_no_setting_is_told_with_the_nearest_name(csss: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CSSS_SECRETKEY=x\n")
    told = csss("diagram", treshold="0.9", base_uri="https://x.example", test_postgres="for the tests")
    assert told.exit_code == 0
    assert told.stderr.splitlines() == [
        "Note: CSSS_BASE_URI is not a setting of CSSS and has no effect; did you mean CSSS_BASE_URL?",
        "Note: CSSS_SECRETKEY is not a setting of CSSS and has no effect; did you mean CSSS_SECRET_KEY?",
        "Note: CSSS_TRESHOLD is not a setting of CSSS and has no effect; did you mean CSSS_THRESHOLD?",
    ]
    far = csss("check", xyzzy="1").output
    assert (
        "note  Settings: " in far
        and "CSSS_XYZZY is not a setting of CSSS and has no effect; `csss settings`" in far
    )


def test_a_supervisor_s_children_do_not_tell_it_again(csss: Run, tmp_path: Path) -> None:
    assert csss("--started-by-csss", "diagram", treshold="0.9").stderr == ""


def test_a_password_of_redis_is_not_shown(csss: Run) -> None:
    told = csss("check", redis_url="redis://:geheim@127.0.0.1:1/0").output
    assert "FAIL  Redis: redis://:***@127.0.0.1:1/0" in told and "geheim" not in told
