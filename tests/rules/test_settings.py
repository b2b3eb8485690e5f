"""The settings table of the README is the one of the code, and every setting does what it says."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from csss.config import BadSetting, Settings, environment_name, load_settings

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
NAMES = {environment_name(each.name): each for each in fields(Settings)}


def table() -> dict[str, tuple[str, str]]:
    """Name → (default, what it is about) of the settings table in the README."""
    text = README.read_text("utf-8")
    rows = re.findall(r"^\|\s*`(CSSS_[A-Z_]+)`\s*\|(.*?)\|(.*?)\|\s*$", text, flags=re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows}), "a setting is listed twice"
    return {name: (default.strip().strip("`"), about.strip()) for name, default, about in rows}


def shown(value: object) -> str:
    """A default as one would write it into `.env`."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def expected() -> dict[str, tuple[str, str]]:
    return {name: (shown(each.default), each.metadata["about"]) for name, each in NAMES.items()}


def test_the_table_in_the_readme_is_that_of_the_code() -> None:
    wrong = sorted(dict(table().items() ^ expected().items()))
    assert not wrong, f"the table in the README is not what `csss settings` prints; it differs in {wrong}"


def test_the_readme_names_no_setting_that_does_not_exist() -> None:
    named = set(re.findall(r"\bCSSS_[A-Z][A-Z_]*\b", README.read_text("utf-8")))
    # Read by the tests and by training; the system itself knows nothing of them.
    assert named - set(NAMES) <= {"CSSS_TEST_POSTGRES", "CSSS_DATA", "CSSS_MORE", "CSSS_WEIGHTS"}


def test_every_setting_says_what_it_is_about() -> None:
    assert all(each.metadata["about"] for each in NAMES.values())


def test_a_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CSSS_SESSION_MINUTES", "15")
    monkeypatch.setenv("CSSS_MAIL_STARTTLS", "no")
    monkeypatch.setenv("CSSS_THRESHOLD", "0.8")
    found = load_settings()
    assert (found.session_minutes, found.mail_starttls, found.threshold) == (15, False, 0.8)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("CSSS_OTP_MINUTES=3\nCSSS_PORT=9000\n")
    monkeypatch.setenv("CSSS_PORT", "9001")
    found = load_settings()
    assert (found.otp_minutes, found.port) == (3, 9001)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_an_empty_variable_means_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """`CSSS_MAIL_STARTTLS=` in a file must not turn encryption off."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, "")
    each = NAMES[name]
    if each.type is str and each.default != "":
        return  # an empty text may be meant
    assert getattr(load_settings(), each.name) == each.default


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CSSS_SESSION_MINUTES", "an hour", "CSSS_SESSION_MINUTES is 'an hour': it must be a whole number."),
        ("CSSS_SESSION_MINUTES", "0", "CSSS_SESSION_MINUTES "),
        ("CSSS_MAIL_STARTTLS", "perhaps", "CSSS_MAIL_STARTTLS is 'perhaps': it must be 1 or 0."),
        ("CSSS_THRESHOLD", "1.5", "CSSS_THRESHOLD is 1.5: it must lie between 0 and 1."),
        ("CSSS_TIME_ZONE", "Mars/Crater", "CSSS_TIME_ZONE is 'Mars/Crater': it must be an IANA name."),
        ("CSSS_BASE_URL", "ftp://x", "CSSS_BASE_URL must begin with http:// or https://."),
        ("CSSS_ADMIN_PASSKEY", "always", "CSSS_ADMIN_PASSKEY is 'always': it must be 1 or 0."),
        (
            "CSSS_STORAGE_URL",
            "s3://x",
            "CSSS_STORAGE_URL must begin with file:///; no other storage is supported yet.",
        ),
    ],
)
def test_a_bad_setting_is_named_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting) as refused:
        load_settings()
    assert str(refused.value).startswith(sentence)
    assert str(refused.value).endswith(".")


def test_the_secret_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(instance=str(tmp_path / "instance"))
    key = settings.secret()
    assert len(key) >= 32
    assert Settings(instance=str(tmp_path / "instance")).secret() == key
    assert (tmp_path / "instance" / "secret_key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadSetting):
        Settings(secret_key="short").secret()
