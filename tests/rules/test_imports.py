"""Imports point one way: web and jobs → capabilities → audit. The classifier stands alone. One module writes statuses."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from csss.jobs import runner, worker
from csss.outbox import Queue
from csss.picture_formats import PICTURE_FORMATS

ROOT = Path(__file__).resolve().parents[2]
CAPABILITIES = (
    "assistant",
    "auth",
    "dicom",
    "erasing",
    "hospital",
    "live",
    "notices",
    "people",
    "prescriptions",
    "recalibration",
    "records",
    "reports",
    "scans",
    "statistics",
    "storage",
    "study",
    "throttle",
    "watch",
)
FILES = sorted([*(ROOT / "csss").rglob("*.py"), *(ROOT / "training").rglob("*.py")])


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import, at its top or inside a function; not those for the type checker."""
    tree = ast.parse(path.read_text("utf-8"))
    only_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in only_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def breaking(where: str, forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{name_of(path)} imports {module}"
        for path in FILES
        if inside(name_of(path), where)
        for module in sorted(imports(path))
        if any(inside(module, package) for package in forbidden)
    ]


def test_there_are_files_to_look_at() -> None:
    assert {"csss.scans.workflow", "csss.inference.engine", "training.fitting.train"} <= {
        name_of(path) for path in FILES
    }


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_capabilities_know_neither_pages_nor_workers(capability: str) -> None:
    assert (ROOT / "csss" / capability / "__init__.py").exists()
    assert breaking(f"csss.{capability}", ("csss.web", "csss.jobs", "csss.demo", "csss.cli")) == []


def test_the_audit_log_knows_no_capability_but_the_table_it_points_to() -> None:
    forbidden = tuple(
        f"csss.{name}" for name in ("scans", "prescriptions", "reports", "notices", "web", "jobs")
    )
    assert breaking("csss.audit", forbidden) == []


def test_every_queue_and_every_job_names_functions_that_there_are() -> None:
    """They are named in strings, which neither the imports nor the types tell of."""
    for queue in Queue:
        module = import_module(f"csss.jobs.{worker.JOBS[queue]}")
        assert callable(module.warm_up) and callable(module.between_jobs), queue
    for name, handler in runner.HANDLERS.items():
        module = import_module(f"csss.jobs.{handler.module}")
        assert all(callable(getattr(module, each)) for each in (handler.run, handler.give_up) if each), name


def test_workers_know_no_pages() -> None:
    assert breaking("csss.jobs", ("csss.web",)) == []


def test_the_classifier_and_training_know_neither_flask_nor_the_database() -> None:
    forbidden = (
        "flask",
        "flask_sqlalchemy",
        "sqlalchemy",
        "csss.database",
        "csss.web",
        "csss.scans",
    )
    assert breaking("csss.inference", forbidden) == []
    assert breaking("training", forbidden) == []


def test_run_time_code_never_imports_tensorflow_or_training() -> None:
    assert breaking("csss", ("tensorflow", "keras", "matplotlib", "sklearn", "training", "tests")) == []


def test_only_one_package_knows_dicom_libraries_and_the_database_is_unknown_to_it() -> None:
    """What opens strangers' files runs in a sandbox: no other code may load the libraries that do."""
    libraries = ("pydicom", "pynetdicom", "gdcm", "jpeg_ls", "openjpeg")
    knowing = {
        name_of(path)
        for path in FILES
        if any(inside(module, library) for module in imports(path) for library in libraries)
    }
    assert [name for name in knowing if inside(name, "csss") and not inside(name, "csss.dicom")] == []
    decoders = {name for name in knowing if breaking(name, ("gdcm", "jpeg_ls", "openjpeg"))}
    assert decoders == {"csss.dicom.codecs", "csss.dicom.samples_for_warm_up"}
    assert (
        breaking("csss.dicom", ("flask", "sqlalchemy", "csss.database", "csss.scans", "csss.storage")) == []
    )


def test_the_foundation_knows_nothing_above_it() -> None:
    capabilities = set(CAPABILITIES) - {"storage"}  # whose keys stand in the settings
    above = tuple(f"csss.{name}" for name in (*capabilities, "web", "jobs", "audit", "outbox", "demo"))
    for module in ("csss.clock", "csss.errors", "csss.paths", "csss.config", "csss.database"):
        assert breaking(module, above) == [], module


def test_only_the_storage_knows_folders() -> None:
    """So that an S3-compatible store is one module more, and nothing else has to change."""
    knowing = {
        name_of(path)
        for path in FILES
        if any(word in path.read_text("utf-8") for word in ("storage_folder", "FolderStorage"))
    }
    assert {name for name in knowing if not inside(name, "csss.storage")} == {"csss.config"}


def test_formats_of_pictures_stand_in_one_table() -> None:
    """Nothing that takes pictures in, keeps or shows them writes out a format of its own."""
    written = re.compile(
        r"""image/jpeg|image/png|["'](jpg|jpeg|png)["']|\.(jpg|jpeg|png)["']""", re.IGNORECASE
    )
    places = [*(ROOT / "csss" / "storage").glob("*.py"), *(ROOT / "csss" / "jobs").glob("*.py")]
    places += [*(ROOT / "csss" / "scans").rglob("*.py"), *(ROOT / "csss" / "web" / "patient").glob("*.py")]
    places += [ROOT / "csss" / "web" / "files.py", ROOT / "templates" / "patient" / "_upload.html"]
    places += [ROOT / "static" / "js" / "pages" / "upload.js"]
    codecs = {f"{each.codec.rpartition('.')[2]}.py" for each in PICTURE_FORMATS}
    assert codecs <= {path.name for path in places}
    assert [
        f"{path.name}: {found[0]}"
        for path in places
        if path.name not in codecs and (found := written.search(path.read_text("utf-8")))
    ] == []


def test_only_the_database_module_opens_transactions_itself() -> None:
    """`db.session.commit()` ends a reading transaction everywhere; what writes goes through transaction()."""
    for path in FILES:
        if name_of(path) != "csss.database":
            text = path.read_text("utf-8")
            assert "_writing" not in text and "BEGIN IMMEDIATE" not in text, name_of(path)


# One module writes a status


def writes_status(tree: ast.AST) -> list[int]:
    """Lines that assign `….status` of something, set it by name, or pass it to an insert, an update or a new Scan."""
    lines = []
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = [leaf for target in node.targets for leaf in _leaves(target)]
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            targets = [node.target]
        lines += [
            each.lineno for each in targets if isinstance(each, ast.Attribute) and each.attr == "status"
        ]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            keywords = {keyword.arg for keyword in node.keywords}
            if "status" in keywords and (called.endswith(".values") or called in {"Scan", "models.Scan"}):
                lines.append(node.lineno)
            if called == "setattr" and len(node.args) > 1 and "status" in ast.unparse(node.args[1]):
                lines.append(node.lineno)
    return lines


def _leaves(target: ast.expr) -> list[ast.expr]:
    return (
        [leaf for each in target.elts for leaf in _leaves(each)]
        if isinstance(target, ast.Tuple)
        else [target]
    )


def test_nothing_but_the_workflow_writes_a_status() -> None:
    writers = {
        name_of(path): lines for path in FILES if (lines := writes_status(ast.parse(path.read_text("utf-8"))))
    }
    assert set(writers) == {"csss.scans.workflow"}, writers
    assert len(writers["csss.scans.workflow"]) == 1


@pytest.mark.parametrize(
    "line",
    [
        "scan.status = Status.REPORT_READY",
        "a, scan.status = 1, 2",
        "update(Scan).values(status=1)",
        "Scan(status=1)",
        "setattr(scan, 'status', 1)",
    ],
)
def test_the_test_above_would_see_it(line: str) -> None:
    assert writes_status(ast.parse(line)) == [1]


def test_modules_are_short() -> None:
    """The tests among them. A migration is as long as it was on the day when it was written."""
    folders = ("benchmarks", "csss", "tests", "training")
    paths = [*ROOT.glob("*.py"), *(path for name in folders for path in (ROOT / name).rglob("*.py"))]
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in paths}
    assert len(lengths) > 600
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


# A name says which class is meant


def test_no_class_name_stands_twice() -> None:
    """Two classes of one name are told apart only by opening their files."""
    where: dict[str, list[str]] = {}
    for path in FILES:
        if inside(name_of(path), "csss"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    where.setdefault(node.name, []).append(f"{name_of(path)}:{node.lineno}")
    assert len(where) > 300
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


# Circles


def module_of(name: str, modules: set[str]) -> str:
    """The module that an imported name belongs to; blank for what is not ours."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def arrows() -> dict[str, set[str]]:
    """Each module and those it imports; a package that is only named on the way to its module does not count."""
    modules = {name_of(path) for path in FILES}
    packages = {name_of(path) for path in FILES if path.name == "__init__.py"}
    found = {}
    for path in FILES:
        own = name_of(path)
        named = {module_of(name, modules) for name in imports(path)} - {"", own}
        found[own] = {
            name
            for name in named
            if name not in packages or not any(inside(other, name) and other != name for other in named)
        }
    return found


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """The nodes that lie on circles: what is left when those without an arrow out, or in, are taken away again and again."""
    left = {node: set(to) for node, to in graph.items()}
    while True:
        entered = {to for node in left for to in left[node]}
        gone = {node for node, to in left.items() if not to & left.keys() or node not in entered}
        if not gone:
            return sorted(left)
        left = {node: to - gone for node, to in left.items() if node not in gone}


def package_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2])


def test_no_import_goes_in_a_circle() -> None:
    assert circle_in(arrows()) == []


def test_no_import_goes_in_a_circle_between_packages() -> None:
    """Commands (`cli`) stand above everything, wherever their file is."""
    graph: dict[str, set[str]] = {}
    for module, to in arrows().items():
        if not module.endswith("cli"):
            own = package_of(module)
            graph.setdefault(own, set()).update(
                package_of(other) for other in to if package_of(other) != own and not other.endswith("cli")
            )
    assert circle_in(graph) == []


def test_a_circle_would_be_seen() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"a"}}) == ["a", "b", "c"]
