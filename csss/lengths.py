"""How long a text may be, and the sentences for one that is longer."""

from csss.errors import Invalid
from csss.i18n import gettext as _


def check_length(limit: int, **texts: str) -> None:
    """Raises Invalid for a text of more than `limit` characters, beside its field."""
    for name, text in texts.items():
        if len(text) > limit:
            raise Invalid(**{name: too_long(text, limit)})


def too_long(text: str, limit: int) -> str:
    return _(
        "At most %(most)s characters can be taken; this has %(count)s.",
        most=f"{limit:,}",
        count=f"{len(text):,}",
    )


def at_most(limit: int) -> str:
    """For short fields, whose own length tells nothing."""
    return _("At most %(most)s characters can be taken.", most=f"{limit:,}")
