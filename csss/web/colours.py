"""Routes: choosing the colours on a page of their own or on the account page. With JavaScript a press is enough, as in the
small menu at the top of every page.
"""

from flask import Response, current_app, flash, request, url_for
from wtforms import RadioField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import AnyOf

from csss.i18n import _, _l
from csss.people.permissions import PUBLIC
from csss.web.forms import TextForm
from csss.web.fragments import form_error, page_or_fragment, redirect_after
from csss.web.guard import requires
from csss.web.shell import shell

COOKIE, YEAR = "theme", 31_536_000  # as static/js/theme.js stores it
THEMES = {
    "auto": _l("As on this device"),
    "light": _l("Light"),
    "dark": _l("Dark"),
    "contrast": _l("High contrast"),
}


class ColoursForm(TextForm):
    theme = RadioField(
        _l("Colours"),
        choices=[SelectChoice(value, words) for value, words in THEMES.items()],
        validate_choice=False,
        validators=[AnyOf(list(THEMES), message=_l("Choose one of these."))],
    )


@shell.get("/colours")
@requires(PUBLIC)
def colours() -> Response:
    return page_or_fragment("shell/colours.html", "shell/_colours.html", form=colours_form())


def colours_form() -> ColoursForm:
    """The form with what is chosen now."""
    chosen = request.cookies.get(COOKIE, "")
    return ColoursForm(formdata=None, data={"theme": chosen if chosen in THEMES else "auto"})


@shell.post("/colours")
@requires(PUBLIC)
def keep_colours() -> Response:
    """Store the choice in a cookie, which holds one of four words and nothing about the person."""
    form = ColoursForm()
    if not form.validate():
        return form_error("shell/colours.html", "shell/_colours.html", form=form)
    flash(_("These colours are kept on this device."), "success")
    on_account = request.form.get("section") == "account"
    response = redirect_after(url_for("account.page") if on_account else url_for("shell.colours"))
    secure = current_app.config["CSSS"].https
    # Scripts change it too, so it must not be HttpOnly.
    response.set_cookie(COOKIE, form.theme.data, max_age=YEAR, samesite="Lax", secure=secure)
    return response
