"""The texts of our scripts in the reader's language.

Scripts say `csss._("Try again.")`, with the English text. English pages need nothing more; pages in another language
contain the translations of these texts in a `<meta>` (templates/layouts/base.html, js/_words.js).
"""

import json
import re
from functools import cache

from csss.i18n import SOURCE_LANGUAGE, gettext, language
from csss.paths import STATIC

_TEXT = re.compile(r"\b_\(\s*\"((?:[^\"\\]|\\.)*)\"")


@cache
def script_texts() -> tuple[str, ...]:
    """Every text in a call of `_` in a script, each once, in English."""
    found: dict[str, None] = {}
    for path in sorted((STATIC / "js").rglob("*.js")):
        for text in _TEXT.findall(path.read_text("utf-8")):
            found[json.loads(f'"{text}"')] = None
    return tuple(found)


def script_words() -> str:
    """The translations as JSON; empty where the page is in English."""
    if language() == SOURCE_LANGUAGE:
        return ""
    return json.dumps({text: gettext(text) for text in script_texts()}, ensure_ascii=False)
