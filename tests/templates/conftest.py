"""A small application with the frame and nothing else: no database, no accounts of CSSS."""

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from flask import Flask, Response, abort, flash, render_template, request
from flask.testing import FlaskClient
from flask_login import LoginManager, UserMixin, login_user
from flask_wtf import CSRFProtect, FlaskForm
from flask_wtf.file import FileField, FileRequired
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader, StrictUndefined
from werkzeug.serving import make_server
from wtforms import (
    BooleanField,
    FieldList,
    Form,
    FormField,
    PasswordField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length

from csss.i18n import init_i18n
from csss.paths import TEMPLATES
from csss.web.assets import init_assets
from csss.web.errors import init_errors
from csss.web.fragments import form_error, page_or_fragment, redirect_after
from csss.web.headers import init_headers
from csss.web.navigation import NavItem


class LineForm(Form):
    drug = StringField("Medicine")
    route = SelectField("Route", choices=["oral", "inhaled"])


class ReviewForm(FlaskForm):
    findings = TextAreaField("Findings", [DataRequired("Write what you see.")])
    name = StringField("Name", [Length(max=5, message="At most five letters.")])
    agreement = RadioField(
        "Agreement",
        choices=[SelectChoice("agree", "Agree"), SelectChoice("partly", "Partly")],
        validators=[DataRequired("Say which.")],
    )
    read_myself = BooleanField("I have read this scan myself", [DataRequired("Tick this box.")])
    password = PasswordField("Password")
    code = StringField("Code")
    items = FieldList(FormField(LineForm), min_entries=2)


class UploadForm(FlaskForm):
    file = FileField("Scan", [FileRequired("Choose a file.")])
    indication = StringField("Indication", [DataRequired("Say why the scan was made.")])


IMPORTS = """
{%- from "components/form.html" import text_field, password_field, textarea, select, radios, checkbox, file_field,
    upload_progress, code_field, error_summary, form_errors, buttons, csrf -%}
{%- from "components/button.html" import button, button_link, post_button, indicator -%}
{%- from "components/repeat.html" import repeat, repeat_row -%}
"""
TESTS_OWN = {
    "t/_review.html": IMPORTS
    + """<form id="review" method="post" action="/review" novalidate hx-post="/review" hx-target="this"
  hx-swap="outerHTML" hx-status:422="swap:outerHTML" hx-disable="find button[type=submit]">
  {{ form.csrf_token }}{{ form_errors(form) }}
  {{ textarea(form.findings, hint="As free text.") }}{{ text_field(form.name, autocomplete="name", optional=true) }}
  {{ radios(form.agreement, hints={"partly": "Say where."}) }}{{ checkbox(form.read_myself) }}
  {{ password_field(form.password) }}{{ code_field(form.code) }}
  {% call repeat("Add a medicine", max=4) %}{% for line in form["items"] %}
  {% call repeat_row("Medicine", loop.index0) %}{{ text_field(line.drug) }}{{ select(line.route) }}{% endcall %}
  {% endfor %}{% endcall %}
  {% call buttons() %}{{ button("Send") }}{% endcall %}</form>""",
    "t/review.html": """{% extends "layouts/base.html" %}{% block title %}Review{% endblock %}
{% block head %}{% for name in ["rows.js", "reveal.js"] %}
<script src="{{ asset(name) }}" defer></script>{% endfor %}{% endblock %}
{% block main %}<h1>Review</h1>{% include "t/_review.html" %}
<button type="button" id="fail" hx-get="/fail/500" hx-target="#review">Fail</button>
<button type="button" id="conflict" hx-get="/fail/409" hx-target="#review">Conflict</button>
<button type="button" id="gone" hx-get="/gone" hx-target="#review">Gone</button>{% endblock %}""",
    "t/_upload.html": IMPORTS
    + """<form id="upload" method="post" action="/upload" enctype="multipart/form-data" novalidate data-upload>
  {{ form.csrf_token }}{{ form_errors(form) }}
  {{ file_field(form.file, hint="JPEG or PNG.", accept="image/png", max_mb=1) }}{{ text_field(form.indication) }}
  {{ upload_progress() }}{% call buttons() %}{{ button("Upload") }}{% endcall %}</form>""",
    "t/upload.html": """{% extends "layouts/base.html" %}{% block title %}Upload{% endblock %}
{% block head %}<script src="{{ asset('upload.js') }}" defer></script>{% endblock %}
{% block main %}<h1>Upload</h1>{% include "t/_upload.html" %}{% endblock %}""",
    "t/arrived.html": """{% extends "layouts/narrow.html" %}{% block title %}Arrived{% endblock %}""",
}


class Person(UserMixin):
    """Somebody signed in, with the one attribute the frame shows."""

    name = "Dr <Test>"

    def get_id(self) -> str:
        return "1"


@pytest.fixture(scope="session")
def shell_app() -> Flask:
    app = Flask("shell", static_folder=None, template_folder=str(TEMPLATES))
    app.config.update(SECRET_KEY="x" * 32, PROPAGATE_EXCEPTIONS=False)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_loader = ChoiceLoader([FileSystemLoader(TEMPLATES), DictLoader(TESTS_OWN)])
    init_i18n(app)
    init_assets(app)
    init_headers(app)
    init_errors(app)
    CSRFProtect(app)
    LoginManager(app).user_loader(lambda _: Person())

    @app.context_processor
    def frame() -> dict[str, Any]:
        if request.path == "/fail/500":
            raise AssertionError("the page for 500 must not ask who is signed in")
        items = [NavItem("/review", "Queue", "page"), NavItem("/review", "Assistant", "")]
        return {"hospital_name": "Test & Hospital", "nav_items": items}

    @app.get("/in")
    def sign_in() -> Response:
        login_user(Person())
        flash("Welcome <b>back</b>.", "success")
        return redirect_after("/review")

    @app.route("/review", methods=["GET", "POST"])
    def review() -> Response:
        form = ReviewForm()
        if request.method == "POST" and not form.validate():
            return form_error("t/review.html", "t/_review.html", form=form)
        if request.method == "POST":
            return redirect_after("/arrived")
        return page_or_fragment("t/review.html", "t/_review.html", form=form)

    @app.route("/upload", methods=["GET", "POST"])
    def upload() -> Response:
        form = UploadForm()
        if request.method == "POST" and not form.validate():
            return form_error("t/upload.html", "t/_upload.html", form=form)
        if request.method == "POST":
            return redirect_after(f"/arrived?bytes={len(form.file.data.read())}")
        return page_or_fragment("t/upload.html", "t/_upload.html", form=form)

    @app.get("/arrived")
    def arrived() -> str:
        return render_template("t/arrived.html")

    @app.get("/fail/<int:code>")
    def fail(code: int) -> Response:
        if code == 500:
            raise RuntimeError("broken on purpose")
        if code == 409:
            abort(409, "Dr Lee verified this scan at 10:42.")
        abort(code)

    @app.get("/gone")
    def gone() -> tuple[str, int, dict[str, str]]:
        return "", 401, {"HX-Redirect": "/arrived"}

    return app


@pytest.fixture
def shell(shell_app: Flask) -> FlaskClient:
    return shell_app.test_client()


@pytest.fixture(scope="session")
def shell_url(shell_app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, shell_app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
