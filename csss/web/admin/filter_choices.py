"""The choices of a filter above a list."""

from collections.abc import Callable, Mapping
from typing import Any

from wtforms.fields.choices import SelectChoice

from csss.i18n import _


def choices_with_all(words: Mapping[Any, str]) -> Callable[[], list[SelectChoice]]:
    """Every member with its label, after “All”; made again for each reader's language."""

    def choices() -> list[SelectChoice]:
        return [
            SelectChoice("", _("All")),
            *(SelectChoice(str(value), name) for value, name in words.items()),
        ]

    return choices
