"""Help on using the system: questions and reviewed answers, never advice on a case."""

from flask import Blueprint

assistant = Blueprint("assistant", __name__)
