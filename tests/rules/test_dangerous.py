"""What no line of the application may do, seen in its source."""

import ast
import re
import re._constants as sre
import re._parser as sre_parser
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from csss.paths import ROOT, STATIC
from tests.rules.source import trees

SCRIPTS = {
    file.relative_to(STATIC): file.read_text("utf-8") for file in sorted((STATIC / "js").rglob("*.js"))
}

# Running text as code, taking objects from strangers, going past a shell; hashes and ciphers that are broken.
NEVER = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"),
    *("pickle", "marshal", "shelve", "dill", "jsonpickle", "yaml", "xmlrpc", "telnetlib", "ftplib"),
    *(
        "hashlib.md5",
        "hashlib.sha1",
        "render_template_string",
        "Environment.from_string",
        "jinja_env.from_string",
    ),
    *(
        "xml",
        "lxml",
        "ldap",
        "ldap3",
        "memcache",
        "pymemcache",
        "tempfile.mktemp",
        "ssl._create_unverified_context",
    ),
}
# The only places that start programs, use chance that may be guessed, or take addresses.
ONLY_IN = {
    "subprocess": {
        "csss/supervisor.py",
        "csss/confinement/parent.py",
        "csss/demo/run.py",
        "csss/installation_check.py",
    },
    "random": {
        "csss/live/hub.py",
        "csss/demo/diary.py",
        "csss/demo/seed.py",
        "csss/jobs/orphans.py",
        "csss/jobs/runner.py",
    },
    "urllib.request": {"csss/demo/run.py"},
    "requests": set(),
    "httpx": set(),
    "socket": {
        "csss/confinement/parent.py",
        "csss/connections/line.py",
        "csss/connections/worker.py",
        "csss/demo/run.py",
        "csss/live/hub.py",
    },
    "smtplib": {"csss/notices/channels/email.py", "csss/installation_check.py"},
}
# Statements with names of our own tables and settings in them, which no parameter can carry.
PUT_TOGETHER = {"csss/database.py", "csss/backup/rows.py", "csss/erasing/services.py"}


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@cache
def imports() -> dict[Path, set[str]]:
    return {file: set(_imports(tree)) for file, tree in trees().items()}


@cache
def calls() -> list[tuple[Path, str, ast.Call]]:
    return [
        (file, ast.unparse(node.func), node)
        for file, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]


def test_nothing_dangerous_is_called_or_imported() -> None:
    # re.compile is meant in most places, so only the bare name counts.
    called = [
        (file, part)
        for file, name, _ in calls()
        for part in (name, name.rpartition(".")[2])
        if part != "compile"
    ]
    called += [(file, name) for file, name, _ in calls() if name == "compile"]
    imported = [
        (file, part)
        for file, names in imports().items()
        for name in names
        for part in (name, name.split(".")[0])
    ]
    assert [f"{file}: {name}" for file, name in called + imported if name in NEVER] == []


@pytest.mark.parametrize("module", ONLY_IN)
def test_what_reaches_outside_stands_in_few_places(module: str) -> None:
    assert {str(file) for file, names in imports().items() if module in names} <= ONLY_IN[module]


def test_no_program_is_started_through_a_shell() -> None:
    for file, name, call in calls():
        words = {keyword.arg: keyword.value for keyword in call.keywords}
        assert "shell" not in words, f"{file}: {name}"


def test_no_statement_to_the_database_is_put_together_from_texts() -> None:
    """Values travel as parameters; a statement written out is a constant."""
    for file, name, call in calls():
        if name.rpartition(".")[2] in {"text", "exec_driver_sql", "execute", "scalars"} and call.args:
            told = f"{file}:{call.lineno}: {ast.unparse(call)[:80]}"
            assert str(file) in PUT_TOGETHER or not isinstance(call.args[0], ast.JoinedStr | ast.BinOp), told


def _patterns() -> Iterator[tuple[str, str]]:
    for file, name, call in calls():
        if name.startswith("re.") and call.args:
            try:
                pattern = ast.literal_eval(call.args[0])
            except ValueError:
                continue  # put together from patterns that are looked at by themselves, or read below
            if isinstance(pattern, str):
                yield f"{file}:{call.lineno}", pattern
    for topics in sorted((ROOT / "csss/assistant/topics").glob("*.toml")):
        advice = tomllib.loads(topics.read_text("utf-8"))["advice"]
        yield from ((topics.name, pattern) for pattern in advice["patterns"] + advice["harmless"])


def _endless(parsed: Any, inside: bool = False) -> bool:
    """Whether something that repeats without end holds something else that does: such a pattern can run away.

    Not where each round begins with a sign that the inner repetition cannot take, as in `a+(,a+)*`.
    """
    for kind, value in parsed:
        if kind in {sre.MAX_REPEAT, sre.MIN_REPEAT}:
            _least, most, body = value
            open_end = most == sre.MAXREPEAT
            if (open_end and inside) or _endless(_rounds(body) if open_end else body, inside or open_end):
                return True
        elif kind is sre.SUBPATTERN:
            if _endless(value[-1], inside):
                return True
        elif kind is sre.BRANCH and any(_endless(branch, inside) for branch in value[1]):
            return True
    return False


def _rounds(body: Any) -> Any:
    """What is repeated, without those repetitions in it that a sign at its beginning keeps apart."""
    inner = body[0][1][-1] if len(body) == 1 and body[0][0] is sre.SUBPATTERN else body
    if not inner or inner[0][0] is not sre.LITERAL:
        return body
    sign = inner[0][1]
    return [
        (kind, value)
        for kind, value in inner
        if kind not in {sre.MAX_REPEAT, sre.MIN_REPEAT} or any(_takes(item, sign) for item in value[2])
    ]


def _takes(item: tuple[Any, Any], sign: int) -> bool:
    kind, value = item
    if kind is sre.LITERAL:
        return bool(value == sign)
    if kind is sre.RANGE:
        return bool(value[0] <= sign <= value[1])
    return not (kind is sre.IN and not any(_takes(each, sign) for each in value))


def test_no_pattern_can_run_away() -> None:
    found = list(_patterns())
    assert len(found) > 30
    assert [f"{where}: {pattern}" for where, pattern in found if _endless(sre_parser.parse(pattern))] == []
    for bad in (r"(a+)+b", r"(?:x*|y)*", r"(,[a,]+)*", r"(,.*)*", r"((a|b)*c?)+"):
        assert _endless(sre_parser.parse(bad)), bad
    for good in (r"a+(\.[a-z]+)*", r"(?:-[0-9]+)*-?", r"\s*(a|bb)*"):
        assert not _endless(sre_parser.parse(good)), good


_SECRET = re.compile(r"hash|digest|signature|secret|password|token|\bmac\b|code$")


def test_secrets_are_never_compared_with_the_equals_sign() -> None:
    """Where a difference of time could tell how far somebody has guessed: what lets people in, and monitoring."""
    for file, tree in trees().items():
        if file.parts[1] not in {"auth", "throttle"} and file.name not in {"guard.py", "status.py"}:
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
                continue
            # Columns are compared by the database, with what is a hash already.
            column = any(
                isinstance(each, ast.Attribute)
                and isinstance(each.value, ast.Name)
                and each.value.id[0].isupper()
                for each in ast.walk(node.left)
            )
            sides = [ast.unparse(node.left), *map(ast.unparse, node.comparators)]
            told = f"{file}:{node.lineno}: {ast.unparse(node)}"
            counted = any(side.isdecimal() or side.startswith("len(") for side in sides)
            assert column or counted or not any(_SECRET.search(side) for side in sides), told


def test_cryptography_stands_where_the_inventory_says() -> None:
    """Every module that encrypts, signs, hashes or draws secrets is named in it, and so is what it does."""
    kinds = {
        "hashlib",
        "hmac",
        "cryptography",
        "bcrypt",
        "secrets",
        "itsdangerous",
        "pyotp",
        "pikepdf",
        "webauthn",
        "ssl",
    }
    using = {
        str(file) for file, names in imports().items() if kinds & {name.partition(".")[0] for name in names}
    }
    inventory = (ROOT / "docs/security-inventory.md").read_text("utf-8")
    assert [file for file in sorted(using) if f"`{file}`" not in inventory] == []


# In the browser

_UNSAFE = re.compile(
    r"\b(innerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|postMessage|addEventListener\(.message"
    r"|importScripts|jsonp|__proto__|setTimeout\(\s*[\"'`]|javascript:)"
)


def test_scripts_write_text_and_never_markup() -> None:
    found = [f"{file}: {match[0]}" for file, text in SCRIPTS.items() if (match := _UNSAFE.search(text))]
    assert found == []


def test_every_script_keeps_to_itself() -> None:
    """A module or a function of its own: no name becomes a global one that an id in the page could stand for."""
    for file, text in SCRIPTS.items():
        outside = [line for line in text.splitlines() if re.match(r"(var|function|class) ", line)]
        assert not outside, f"{file}: {outside}"


def test_no_page_and_no_style_names_another_host() -> None:
    """Everything a browser loads is ours."""
    foreign = re.compile(r"(?:src|href|action|url)\s*[=(]\s*[\"']?(?:https?:)?//", re.IGNORECASE)
    files = [*(ROOT / "templates").rglob("*.html"), *(STATIC / "css").rglob("*.css")]
    assert [str(file) for file in files if foreign.search(file.read_text("utf-8"))] == []
