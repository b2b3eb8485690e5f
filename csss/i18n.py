"""Translate all texts that users read. English is the source language.

Templates have `_("…")`, `ngettext` and `{% trans %}`; Python has `_`, `_n` (plural) and, for texts that are created
before there is a request, such as form labels, `_l`. Placeholders are named: `_("%(count)s scans", count=3)`. `N_`
marks texts that are stored in English in a record and translated when shown.
"""

import gettext as standard
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from flask import Flask, current_app, g, has_app_context, has_request_context, request
from flask_babel import Babel, force_locale, get_domain, get_locale
from flask_babel.speaklater import LazyString
from jinja2 import Environment, pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

SOURCE_LANGUAGE = "en"
_NO_CATALOGUE = standard.NullTranslations()


def init_i18n(app: Flask) -> None:
    """Attach Flask-Babel and give the templates the functions of this module."""
    babel = Babel(app, default_locale=SOURCE_LANGUAGE, locale_selector=language)
    with app.app_context():
        found = {str(locale) for locale in babel.list_translations()}
    app.extensions["csss_languages"] = sorted(found | {SOURCE_LANGUAGE})
    into_templates(app.jinja_env)
    app.jinja_env.globals["language"] = language


def into_templates(environment: Environment) -> None:
    """Add `_`, `ngettext` and `{% trans %}` to an environment that has Jinja's i18n extension."""
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(_plain, _plain_plural, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["_"] = environment.globals["gettext"] = _in_template


def language() -> str:
    """The language of this request: the browser's most preferred one that we have; English outside a request."""
    if "csss_in_english" in g:
        return SOURCE_LANGUAGE
    languages: list[str] = current_app.extensions["csss_languages"]
    if len(languages) == 1 or not has_request_context():
        return languages[0] if len(languages) == 1 else SOURCE_LANGUAGE
    return request.accept_languages.best_match(languages) or SOURCE_LANGUAGE


@contextmanager
def in_english() -> Iterator[None]:
    """Produce English text inside this context, whoever asks: reports and mails are not for the current user."""
    if not has_app_context() or "csss_in_english" in g:
        yield
        return
    reader = g.pop("csss_catalogue", None)
    g.csss_in_english = True
    try:
        with force_locale(SOURCE_LANGUAGE):
            yield
    finally:
        g.pop("csss_in_english")
        g.pop("csss_catalogue", None)
        if reader is not None:
            g.csss_catalogue = reader


def _catalogue() -> standard.NullTranslations:
    """The catalogue of this request, cached: a page translates hundreds of texts."""
    try:
        found: standard.NullTranslations = g.csss_catalogue
    except AttributeError:
        get_locale()
        found = g.csss_catalogue = get_domain().get_translations()
    except RuntimeError:  # outside an application
        return _NO_CATALOGUE
    return found


def _plain(message: str) -> str:
    return _catalogue().gettext(message)


@pass_eval_context
def _in_template(context: EvalContext, message: str, /, **variables: Any) -> str:
    """Replaces Jinja's own `_` in a third of the time: a list translates two hundred texts."""
    text = _plain(message)
    if variables:
        return (Markup(text) if context.autoescape else text) % variables  # noqa: S704 - ours, from the templates  # nosec B704
    return _filled(text) if context.autoescape else text % {}


@lru_cache(maxsize=4096)
def _filled(text: str) -> Markup:
    return Markup(text) % {}  # noqa: S704  # nosec B704


def _plain_plural(singular: str, plural: str, count: int) -> str:
    return _catalogue().ngettext(singular, plural, count)


def gettext(message: str, **variables: Any) -> str:
    """The text in the reader's language, with placeholders filled in."""
    text = _plain(message)
    return text % variables if variables else text


def ngettext(singular: str, plural: str, count: int, **variables: Any) -> str:
    """The text for `count` things; `%(num)s` is the count."""
    variables.setdefault("num", count)
    return _plain_plural(singular, plural, count) % variables


def lazy_gettext(message: str, **variables: Any) -> LazyString:
    """A text that is translated only when it is shown."""
    return LazyString(gettext, message, **variables)


def kept_in_english(message: str) -> str:
    """Mark a text for translators and return it unchanged: it is stored in English, and translated when shown."""
    return message


_ = gettext
_n = ngettext
_l = lazy_gettext
N_ = kept_in_english
