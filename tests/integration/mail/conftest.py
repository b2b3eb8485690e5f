"""The app of these tests sends to a real mail server."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from csss.config import Settings
from tests.conftest import settings_for
from tests.integration.mail.server import MoodyMailbox


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[MoodyMailbox]:
    mailbox = MoodyMailbox(tmp_path)
    mailbox.start()
    yield mailbox
    mailbox.stop()


@pytest.fixture
def settings(tmp_path: Path, migrated_sqlite: Path, mailbox: MoodyMailbox) -> Settings:
    shutil.copy(migrated_sqlite, tmp_path / "csss.db")
    return settings_for(
        tmp_path,
        mail_folder="",
        mail_server="127.0.0.1",
        mail_port=mailbox.port,
        mail_ca_file=str(mailbox.certificate),
    )
