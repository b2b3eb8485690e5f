"""Help on using the system: questions and reviewed answers, never advice on a case."""

from csss.web.assistant import routes
from csss.web.assistant.blueprint import assistant

__all__ = ["assistant"]
