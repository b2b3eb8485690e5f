"""The WSGI entry point: `gunicorn wsgi:app`."""

from csss import create_app

app = create_app()
