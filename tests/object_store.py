"""A store that knows no folders, only objects under names, as an S3-compatible one does."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from csss.storage.files import (
    ARRIVING,
    KEY,
    IncomingFiles,
    PieceWriter,
    Readable,
    StoredBytes,
    UploadStore,
    new_name,
)


class ObjectStore:
    """Objects in memory. Nothing can be appended to one: pieces of uploads are objects of their own."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.place = "objects://test"
        self.uploads: UploadStore = Pieces(self.objects)

    def put(self, area: str, suffix: str, content: bytes) -> str:
        key = new_name(area, suffix)
        self.keep(key, content)
        return key

    def keep(self, key: str, content: bytes) -> None:
        self.objects[self._checked(key)] = content

    def read(self, key: str) -> bytes:
        found = self.objects.get(self._checked(key))
        if found is None:
            raise FileNotFoundError(key)
        return found

    def beginning(self, key: str, size: int) -> bytes:
        return self.read(key)[:size]

    def delete(self, key: str) -> None:
        self.objects.pop(self._checked(key), None)

    def replace(self, key: str, content: bytes) -> bool:
        there = key in self.objects
        if there:
            self.keep(key, content)
        return there

    def stored(self, area: str = "") -> Iterator[str]:
        return (key for key in list(self.objects) if KEY.fullmatch(key) and key.startswith(area))

    def old_files(self, shard: str, age: timedelta) -> Iterator[str]:
        return iter(())

    def prepare(self) -> None:
        pass

    def check_writable(self) -> None:
        pass

    def free_space(self) -> None:
        return None

    def everything(self) -> Iterator[str]:
        return (name for name in sorted(self.objects) if not name.startswith("."))

    @contextmanager
    def opened(self, name: str) -> Iterator[StoredBytes]:
        if name not in self.objects:
            raise FileNotFoundError(name)
        yield StoredBytes(f"{self.place}/{name}", len(self.objects[name]), io.BytesIO(self.objects[name]))

    @contextmanager
    def incoming(self) -> Iterator[IncomingFiles]:
        yield Incoming(self.objects)

    def _checked(self, key: str) -> str:
        if not KEY.fullmatch(key):
            raise FileNotFoundError(key)
        return key


class Pieces:
    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    def create(self, name: str, beginning: bytes) -> None:
        self._objects[f"{ARRIVING}/{name}/{0:020}"] = beginning

    def length(self, name: str) -> int:
        return len(self.read(name))

    def read(self, name: str, size: int = -1) -> bytes:
        there = sorted(each for each in self._objects if each.startswith(f"{ARRIVING}/{name}/"))
        if not there:
            raise FileNotFoundError(name)
        whole = bytearray()
        for each in there:
            offset = int(each.rpartition("/")[2])
            whole[offset : offset + len(self._objects[each])] = self._objects[each]
        return bytes(whole if size < 0 else whole[:size])

    @contextmanager
    def writing(self, name: str) -> Iterator[PieceWriter]:
        self.length(name)
        yield _Piece(self._objects, name)

    def remove(self, name: str) -> None:
        for each in [each for each in self._objects if each.startswith(f"{ARRIVING}/{name}/")]:
            del self._objects[each]

    def names(self) -> Iterator[str]:
        yield from {each.split("/")[1] for each in self._objects if each.startswith(f"{ARRIVING}/")}


class _Piece:
    def __init__(self, objects: dict[str, bytes], name: str) -> None:
        self._objects, self._name = objects, name

    def write(self, offset: int, piece: bytes) -> None:
        self._objects[f"{ARRIVING}/{self._name}/{offset:020}"] = piece


class Incoming:
    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects, self._arrived = objects, dict[str, bytes]()

    def add(self, name: str, content: Readable) -> None:
        self._arrived[name] = content.read()

    def take_over(self, aside: str) -> str | None:
        there = [name for name in self._objects if not name.startswith(".")]
        for name in there:
            self._objects[f"{aside}/{name}"] = self._objects.pop(name)
        self._objects.update(self._arrived)
        return f"objects://test/{aside}" if there else None
