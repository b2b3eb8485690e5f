"""What people read when something is refused, or done, passes through csss/i18n.py like every other text."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.rules.source import trees

# What these are given is shown; `abort` and `flash` take a number and a tone beside it.
SHOWN = {"abort", "flash", "StopValidation", "ValidationError", "ServiceUnavailable"}


def called(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


@cache
def refusals() -> set[str]:
    """Refused, and every class that is made of it."""
    bases = {
        node.name: {called(base) for base in node.bases}
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found, before = {"Refused"}, set[str]()
    while found != before:
        before, found = found, found | {name for name, above in bases.items() if above & found}
    return found


def bare(value: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    """The texts that come out of this expression without having been translated."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.JoinedStr):
        if any(isinstance(part, ast.Constant) and any(map(str.isalpha, part.value)) for part in value.values):
            yield ast.unparse(value)
    elif isinstance(value, ast.IfExp):
        yield from (*bare(value.body, constants), *bare(value.orelse, constants))
    elif isinstance(value, ast.BoolOp):
        yield from (text for each in value.values for text in bare(each, constants))
    elif isinstance(value, ast.BinOp):
        yield from (*bare(value.left, constants), *bare(value.right, constants))
    elif isinstance(value, ast.Subscript):
        yield from bare(value.value, constants)
    elif isinstance(value, ast.Dict):
        yield from (text for each in value.values for text in bare(each, constants))
    elif isinstance(value, ast.Call) and called(value.func) == "str":
        yield from (text for each in value.args for text in bare(each, constants))
    elif isinstance(value, ast.Name | ast.Attribute) and (known := called(value)) in constants:
        yield from bare(constants[known], {})


def constants_of(tree: ast.Module) -> dict[str, ast.expr]:
    """The module's own names in capitals."""
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and target.id.isupper():
                    found[target.id] = node.value
    return found


def untranslated(tree: ast.Module, file: Path, constants: dict[str, ast.expr]) -> list[str]:
    """Line and text of each sentence that would be shown in English to everybody."""
    shown: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = called(node.func)
            a_form = name == "ValueError" and file.name == "forms.py"  # WTForms shows it beside the field
            if name in refusals() | SHOWN or a_form:
                shown += node.args[:1] if name == "flash" else node.args
                shown += [] if name == "flash" else [keyword.value for keyword in node.keywords]
        elif isinstance(node, ast.ClassDef) and node.name in refusals():
            shown += [
                arg
                for each in ast.walk(node)
                if isinstance(each, ast.Call) and ast.unparse(each.func) == "super().__init__"
                for arg in each.args
            ]
        elif isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Subscript) and ast.unparse(target.value).endswith("errors")
            for target in node.targets
        ):
            shown.append(node.value)
    return [f"{file}:{value.lineno}: {text}" for value in shown for text in bare(value, constants)]


def test_no_refusal_is_written_past_the_translations() -> None:
    assert {"StateConflict", "Invalid", "NotFound", "UsedUp", "AlreadyFinished"} <= refusals()
    of_all = {name: value for tree in trees().values() for name, value in constants_of(tree).items()}
    found = [
        line
        for file, tree in trees().items()
        for line in untranslated(tree, file, of_all | constants_of(tree))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "raise StateConflict('The scan has been closed.')",
        "raise StateConflict(f'This waits for the {who}.')",
        "raise errors.NotFound('There is no such scan.') from None",
        "raise Invalid(note='Write it.')",
        "raise Invalid(note=_('Write it.') if blank else 'It is too long.')",
        "raise UsedUp(file='At most ' + most)",
        "raise StateConflict(SENTENCES[status])",
        "raise NotFound(str(GONE))",
        "abort(409, 'Somebody else changed this first.')",
        "flash('It is done.', 'success')",
        "errors['findings'] = 'Write what you see.'",
        "raise StopValidation('Choose one.')",
        "raise ValueError('Enter a date.')",
    ],
)
def test_the_test_above_would_see_it(line: str) -> None:
    constants = constants_of(ast.parse("SENTENCES: dict = {1: 'It waits.'}\nGONE = 'It is gone.'"))
    assert len(untranslated(ast.parse(line), Path("csss/web/forms.py"), constants)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "raise StateConflict(_('The scan has been closed.'))",
        "raise Invalid(file=_n('%(num)s scan', '%(num)s scans', most))",
        "flash(_('It is done.'), 'success')",
        "flash(f'{released} {left}', 'warning')",
        "abort(404)",
        "raise Invalid()",
    ],
)
def test_what_is_translated_passes(line: str) -> None:
    assert untranslated(ast.parse(line), Path("csss/web/forms.py"), {}) == []
