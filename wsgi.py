"""The WSGI entry point: `gunicorn wsgi:app`."""

from csss import create_app
from csss.keys.start import check_keys_if_it_answers

app = create_app()
with app.app_context():
    check_keys_if_it_answers()
