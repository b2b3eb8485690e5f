"""Carry typed values over the line between child and parent as JSON. The parent believes nothing of it.

Only dataclasses of texts, numbers, dates, enumerations, None and tuples of these are carried.
"""

import dataclasses
import json
import struct
import types
import typing
from datetime import date
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")
LONGEST_TEXT = 8_192
MOST_ITEMS = 10_000

# What a request asks for.
FACTS, VALUES, PICTURE, DIRECTORY, DEIDENTIFY = b"f", b"v", b"p", b"d", b"i"
REQUEST = struct.Struct(">cI")  # what, and the length of the options; options and the file follow
ANSWER = struct.Struct(">BI")  # state, and the length of the head; head and body follow
DONE, REFUSED = 0, 1


def request_of(what: bytes, options: dict[str, Any], content: bytes) -> bytes:
    """Put a request together."""
    head = json.dumps(options).encode()
    return b"".join((REQUEST.pack(what, len(head)), head, content))


def parts_of(answer: bytes) -> tuple[int, Any, bytes]:
    """State, head and body of an answer. Raises ValueError."""
    if len(answer) < ANSWER.size:
        raise ValueError("no answer of this program")
    state, length = ANSWER.unpack_from(answer)
    if ANSWER.size + length > len(answer):
        raise ValueError("an answer of another length than it says")
    return state, json.loads(answer[ANSWER.size : ANSWER.size + length]), answer[ANSWER.size + length :]


def plain_of(value: Any) -> Any:
    """The value as JSON can carry it."""
    if dataclasses.is_dataclass(value):
        return {each.name: plain_of(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [plain_of(each) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


def typed(kind: type[T], value: Any) -> T:
    """The value as `kind`, if it is exactly that. Raises ValueError."""
    return typing.cast(T, _typed(kind, value))


def _typed(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value)
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        others = [each for each in typing.get_args(kind) if each is not type(None)]
        return None if value is None else _typed(others[0], value)
    if typing.get_origin(kind) is tuple:
        return _tuple(typing.get_args(kind), value)
    if isinstance(kind, type) and issubclass(kind, date | Enum):
        if not isinstance(value, str):
            raise ValueError(f"no {kind.__name__}")
        return kind.fromisoformat(value) if issubclass(kind, date) else kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind or (kind is str and len(value) > LONGEST_TEXT):
        raise ValueError(f"no {kind}")
    return value


def _dataclass(kind: Any, value: Any) -> Any:
    hints = typing.get_type_hints(kind)
    names = {each.name for each in dataclasses.fields(kind)}
    if not isinstance(value, dict) or set(value) != names:
        raise ValueError(f"no {kind.__name__}")
    return kind(**{name: _typed(hints[name], value[name]) for name in names})


def _tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        raise ValueError("no list")
    if kinds[-1] is Ellipsis:
        return tuple(_typed(kinds[0], each) for each in value)
    if len(kinds) != len(value):
        raise ValueError("a list of another length")
    return tuple(_typed(kind, each) for kind, each in zip(kinds, value, strict=True))
