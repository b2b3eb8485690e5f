"""Where files are kept. Nothing else knows folders; S3 would be a further module beside `folder.py`.

- `files`: the interface, which every store has, and the storage of this application
- `folder`: the store that is a folder of this machine
- `encrypted`: what lies around a store: encryption at rest; `keys`: its keys
- `unfinished_uploads`: files that arrive in pieces
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from csss.config import Settings
    from csss.storage.files import Storage
    from csss.storage.keys import StorageKey


def open_storage(settings: "Settings", keys: "Sequence[StorageKey] | None" = None) -> "Storage":
    """The storage that the settings ask for, with their keys or with others. The only place that chooses one.

    Nothing is made and nothing is looked at: the store may be away.
    """
    from csss.storage.encrypted import storage_with
    from csss.storage.folder import FolderStorage

    ring = settings.storage_key_ring if keys is None else keys
    return storage_with(FolderStorage(settings.storage_folder), ring, plain=settings.storage_plain)
