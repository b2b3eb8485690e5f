"""Stored files and unfinished uploads at rest: what lies on the disk opens only with the key and only in its own place."""

import base64
import hashlib
import uuid
from pathlib import Path

import pytest
from flask import Flask

from csss.config import BadSetting, Settings
from csss.storage import unfinished_uploads
from csss.storage.encrypted import EncryptedStorage, LockedStorage, key_id_of
from csss.storage.files import CannotOpen
from csss.storage.folder import FolderStorage
from csss.storage.keys import StorageKey, new_key, parse_keys

OLD, NEW, OTHER = (
    StorageKey(name, hashlib.sha256(name.encode()).digest()) for name in ("old", "new", "other")
)
WORDS = b"a picture that nobody else may see " * 40


def setting(*keys: StorageKey) -> str:
    return ",".join(f"{key.id}:{base64.b64encode(key.secret).decode()}" for key in keys)


@pytest.fixture
def folder(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "storage")


@pytest.mark.parametrize("content", [b"", b"x", WORDS, bytes(2_000_000)])
def test_what_is_stored_is_read_again_and_nothing_of_it_lies_on_the_disk(
    folder: FolderStorage, content: bytes
) -> None:
    kept = EncryptedStorage(folder, [NEW, OLD])
    key = kept.put("scans", "png", content)
    assert kept.read(key) == content
    on_disk = folder.read(key)
    assert key_id_of(on_disk) == "new"
    assert len(content) < 20 or content[:20] not in on_disk
    assert folder.read(kept.put("scans", "png", content)) != on_disk  # a nonce of its own


def test_every_key_reads_and_the_first_one_writes(folder: FolderStorage) -> None:
    key = EncryptedStorage(folder, [OLD]).put("reports", "pdf", WORDS)
    both = EncryptedStorage(folder, [NEW, OLD])
    assert both.read(key) == WORDS
    assert both.rotate(key) is True
    assert key_id_of(folder.read(key)) == "new"
    assert both.rotate(key) is False  # once is enough, so it may be broken off and begun again
    assert EncryptedStorage(folder, [NEW]).read(key) == WORDS


def test_a_changed_file_a_swapped_one_and_a_wrong_or_missing_key_do_not_open(folder: FolderStorage) -> None:
    kept = EncryptedStorage(folder, [NEW])
    one, two = kept.put("scans", "png", WORDS), kept.put("scans", "png", b"another")
    whole = folder.read(one)
    for place in (20, len(whole) // 2, len(whole) - 1):  # nonce, contents, tag
        folder.keep(one, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CannotOpen, match="changed or damaged"):
            kept.read(one)
    for cut in range(16, 60, 7):
        folder.keep(one, whole[:cut])
        with pytest.raises(CannotOpen):
            kept.read(one)
    folder.keep(one, folder.read(two))
    with pytest.raises(CannotOpen, match=one):
        kept.read(one)
    folder.keep(one, whole)
    with pytest.raises(
        CannotOpen, match="encrypted with the key 'new', which CSSS_STORAGE_KEYS does not name"
    ):
        EncryptedStorage(folder, [OLD]).read(one)
    with pytest.raises(CannotOpen, match="CSSS_STORAGE_KEYS holds another key under this id"):
        EncryptedStorage(folder, [StorageKey("new", OTHER.secret)]).read(one)
    with pytest.raises(CannotOpen, match="CSSS_STORAGE_KEYS is empty"):
        LockedStorage(folder).read(one)


def test_files_from_before_encryption_stay_readable_unless_the_setting_says_otherwise(
    folder: FolderStorage,
) -> None:
    key = folder.put("scans", "png", WORDS)
    assert EncryptedStorage(folder, [NEW]).read(key) == WORDS
    strict = EncryptedStorage(folder, [NEW], plain=False)
    with pytest.raises(CannotOpen, match="CSSS_STORAGE_PLAIN=0"):
        strict.read(key)
    assert strict.rotate(key) and strict.read(key) == WORDS


def test_a_file_deleted_while_it_is_encrypted_anew_does_not_come_back(
    folder: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = EncryptedStorage(folder, [NEW, OLD])
    key = EncryptedStorage(folder, [OLD]).put("scans", "png", WORDS)
    seal = kept._sealer.seal

    def deleted_meanwhile(key: str, content: bytes) -> bytes:
        folder.delete(key)
        return seal(key, content)

    monkeypatch.setattr(kept._sealer, "seal", deleted_meanwhile)
    assert kept.rotate(key) is False
    assert list(folder.stored()) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("nocolon", "has no colon"),
        ("bad id:AAAA", "the id of key 1"),
        (f"{setting(NEW)},{setting(NEW)}", "the id new is listed twice"),
        ("a:not base64!", "the key a is not base64"),
        ("a:QUJD", "the key a has 3 bytes, and must have 32"),
    ],
)
def test_a_bad_key_setting_stops_the_start_with_a_sentence_that_tells_no_key(text: str, wrong: str) -> None:
    with pytest.raises(BadSetting, match=f"CSSS_STORAGE_KEYS cannot be used: .*{wrong}") as refused:
        Settings(storage_keys=text)
    assert str(refused.value).endswith(".")
    assert "QUJD" not in str(refused.value) and setting(NEW).partition(":")[2] not in str(refused.value)
    with pytest.raises(BadSetting, match="no file could be read"):
        Settings(storage_plain=False)


def test_a_new_key_is_what_the_setting_takes_and_never_shows_itself() -> None:
    made = new_key("k2026")
    (key,) = parse_keys(made)
    assert key.id == "k2026" and len(key.secret) == 32
    assert made.partition(":")[2] not in repr(Settings(storage_keys=made)) + repr(key)


# Unfinished uploads


@pytest.mark.parametrize("settings", [{"storage_keys": setting(NEW)}], indirect=True)
def test_an_upload_under_way_is_encrypted_piece_by_piece(app: Flask, settings: Settings) -> None:
    upload = uuid.uuid4()
    unfinished_uploads.create(upload)
    assert unfinished_uploads.length(upload) == 0
    at = 0
    for piece in (
        WORDS[:5],
        WORDS[5:16],
        WORDS[16:700],
        WORDS[700:],
    ):  # across the cipher's blocks, and within them
        with unfinished_uploads.UploadWriter(upload, at) as writer:
            writer.write(piece)
            at = writer.offset
        assert unfinished_uploads.length(upload) == at
    with unfinished_uploads.UploadWriter(
        upload, 33
    ) as writer:  # a line that only seemed dead sends the same again
        writer.write(WORDS[33:90])
    assert unfinished_uploads.read(upload) == WORDS
    (path,) = settings.storage_folder.rglob("*.sealed")
    assert WORDS[:16] not in path.read_bytes()
    assert (unfinished_uploads.not_with("new"), unfinished_uploads.not_with("newer")) == (0, 1)
    unfinished_uploads.remove(upload)
    assert not path.exists()


def test_an_upload_begun_before_encryption_goes_on_and_one_without_its_key_is_gone(app: Flask) -> None:
    plain, sealed = uuid.uuid4(), uuid.uuid4()
    unfinished_uploads.create(plain)
    before = app.config["CSSS"]
    app.config["CSSS"] = Settings(instance=before.instance, storage_keys=setting(OLD))
    unfinished_uploads.create(sealed)
    for upload in (plain, sealed):
        with unfinished_uploads.UploadWriter(upload, 0) as writer:
            writer.write(WORDS)
        assert unfinished_uploads.read(upload) == WORDS
    app.config["CSSS"] = Settings(instance=before.instance, storage_keys=setting(NEW))
    assert unfinished_uploads.read(plain) == WORDS
    with pytest.raises(FileNotFoundError):
        unfinished_uploads.read(sealed)
    with pytest.raises(FileNotFoundError):
        unfinished_uploads.UploadWriter(sealed, 0)
