"""Store the plain words of people's names, so that the search ignores accents, apostrophes and order.

The previous release does not know the table and may run beside this one. A trigger deletes the words of a changed
name, so that nothing of an erased person is left, and workers add missing words.
"""

import re
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

AT_ONCE = 1_000
_DROPPED = re.compile("[.'`´‘’ʹʻʼʽˈ′＇]")
_BETWEEN = re.compile(r"[\s,;\-‐‑‒–—]+")
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ŧ": "t", "ı": "i"}
)


def upgrade() -> None:
    op.create_table(
        "search_names",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_search_names_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_search_names")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION csss_drop_search_name() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "DELETE FROM search_names WHERE user_id = NEW.id; RETURN NULL; END $$"
        )
        op.execute(
            "CREATE TRIGGER users_search_name AFTER UPDATE OF name ON users FOR EACH ROW "
            "WHEN (NEW.name IS DISTINCT FROM OLD.name) EXECUTE FUNCTION csss_drop_search_name()"
        )
    else:
        op.execute(
            "CREATE TRIGGER users_search_name AFTER UPDATE OF name ON users WHEN NEW.name IS NOT OLD.name "
            "BEGIN DELETE FROM search_names WHERE user_id = NEW.id; END"
        )
    _fill_in()


def _fill_in() -> None:
    users = sa.table(
        "users",
        sa.column("id", sa.Uuid()),
        sa.column("name", sa.String()),
        sa.column("erased_at", sa.DateTime()),
    )
    words = sa.table("search_names", sa.column("user_id", sa.Uuid()), sa.column("words", sa.Text()))
    bind, last = op.get_bind(), None
    while True:
        query = sa.select(users.c.id, users.c.name).where(users.c.erased_at.is_(None))
        if last is not None:
            query = query.where(users.c.id > last)
        found = bind.execute(query.order_by(users.c.id).limit(AT_ONCE)).all()
        if not found:
            return
        bind.execute(words.insert(), [{"user_id": each, "words": _plain_words(name)} for each, name in found])
        last = found[-1][0]


# As they were made when this was written.


def _plain_words(name: str) -> str:
    found, joined = [], []
    for part in name.split():
        pieces = [piece for piece in _BETWEEN.split(_plain(part)) if piece]
        found += pieces
        if len(pieces) > 1:
            joined.append("".join(pieces))
    return " ".join((*found, *joined))


def _plain(text: str) -> str:
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    letters = "".join(each for each in apart if not _is_accent(each)).translate(_PLAIN)
    return unicodedata.normalize("NFC", _DROPPED.sub("", letters))


def _is_accent(letter: str) -> bool:
    order = unicodedata.combining(letter)
    return order in (1, 7) or 10 <= order <= 36 or order >= 200


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER users_search_name ON users")
        op.execute("DROP FUNCTION csss_drop_search_name()")
    else:
        op.execute("DROP TRIGGER users_search_name")
    op.drop_table("search_names")
