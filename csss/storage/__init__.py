"""Store files. No other package knows folders; S3 would be one more module beside `folder.py`.

- `files`: the interface that every store has, and the storage of this application
- `folder`: a store in a folder of this machine
- `encrypted`: a wrapper around a store, for encryption at rest; `keys`: its keys
- `unfinished_uploads`: chunked uploads in progress
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from csss.config import Settings
    from csss.storage.files import Storage
    from csss.storage.keys import StorageKey


def open_storage(settings: "Settings", keys: "Sequence[StorageKey] | None" = None) -> "Storage":
    """The storage that the settings name, with their keys or with others. The only place that chooses a store.

    It creates and checks nothing, because the store may be unreachable.
    """
    from csss.storage.encrypted import storage_with
    from csss.storage.folder import FolderStorage

    ring = settings.storage_key_ring if keys is None else keys
    return storage_with(FolderStorage(settings.storage_folder), ring, plain=settings.storage_plain)
