"""`/styleguide`: every component in every state, to look at while working on them.

Registered only by `flask --app csss.development run --debug`, so in production the address does not exist. The page
contains no real data; all of it is made up here.
"""

from datetime import date
from typing import Any

from flask import Blueprint, Response, make_response, render_template
from wtforms import (
    BooleanField,
    DateField,
    FileField,
    Form,
    PasswordField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice

from csss.people.permissions import PUBLIC
from csss.web.guard import requires

styleguide = Blueprint("styleguide", __name__)


class Specimens(Form):
    """One field of each kind."""

    name = StringField("Full name")
    born = DateField("Date of birth")
    password = PasswordField("Password")
    findings = TextAreaField("Findings")
    route = SelectField("Route", choices=["by mouth", "inhaled", "into a vein"])
    agreement = RadioField(
        "Agreement",
        choices=[
            SelectChoice("agree", "Agree"),
            SelectChoice("partly", "Partly"),
            SelectChoice("disagree", "Disagree"),
        ],
    )
    signed = BooleanField("I have read this scan myself")
    file = FileField("Picture of the scan")
    code = StringField("Six-digit code")
    any_code = StringField("One-time code or recovery code")


@styleguide.get("/styleguide")
@requires(PUBLIC)
def page() -> Response:
    """The page. Colours are changed with the switch at its top, as on every page."""
    return make_response(
        render_template(
            "styleguide/styleguide.html",
            filled=_form("a", name="Kavya Raman", findings="Clear lungs.\nNormal heart.", agreement="agree"),
            wrong=_form("b", name="", agreement=None, errors=True),
            tokens=_TOKENS,
            **_samples(),
        )
    )


def _form(prefix: str, *, errors: bool = False, **data: Any) -> Specimens:
    form = Specimens(prefix=prefix, data={"born": date(1984, 5, 6), **data})
    for field in form if errors else ():
        field.errors = [f"{field.label.text}: this cannot stay so."]
    return form


_TOKENS = {
    "Grounds": ("ground", "surface", "inset", "film", "mast"),
    "Ink and lines": ("ink", "ink-2", "line", "line-strong", "focus"),
    "Accent": ("accent", "accent-hover", "on-accent", "accent-soft", "accent-ink"),
    "Tones": ("info", "ok", "warn", "bad", "wait"),
}


def _samples() -> dict[str, Any]:
    return {
        "classes": [
            {"name": "normal", "human": "Normal", "value": 0.07},
            {"name": "pneumonia", "human": "Pneumonia", "value": 0.91},
            {"name": "tuberculosis", "human": "Tuberculosis", "value": 0.02},
        ],
        "medicines": [
            {
                "drug": "Amoxicillin",
                "dose": "500 mg",
                "route": "by mouth",
                "frequency": "three times a day",
                "duration": "5 days",
            },
            {
                "drug": "Paracetamol",
                "dose": "1 g",
                "route": "by mouth",
                "frequency": "when needed, at most four times a day",
                "duration": "3 days",
            },
        ],
        "events": [
            {"title": title, "when": when, "iso": iso, "who": who, "note": note, "tone": tone}
            for title, when, iso, who, note, tone in (
                ("Uploaded", "23 Nov 2026, 09:12", "2026-11-23T09:12", None, None, "wait"),
                ("Analysed", "23 Nov 2026, 09:14", "2026-11-23T09:14", "csss-4", "Uncertain", "warn"),
                ("Verified", "23 Nov 2026, 10:02", "2026-11-23T10:02", "Dr Arun Nair", None, "ok"),
                ("On hold", "23 Nov 2026, 11:40", "2026-11-23T11:40", "Leela", "Dose is missing", "bad"),
                ("Completed", "23 Nov 2026, 12:05", "2026-11-23T12:05", "Meera", None, "info"),
            )
        ],
    }
