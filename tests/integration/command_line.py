"""Commands as a deployer gives them, with the settings of a test as environment variables."""

from pathlib import Path

from click.testing import CliRunner, Result

from csss.cli import main
from csss.config import Settings
from csss.database import db
from csss.demo.run import environment


def command(settings: Settings, *arguments: str | Path, typed: str | None = None) -> Result:
    db.session.remove()
    db.engine.dispose()
    return CliRunner().invoke(main, [str(each) for each in arguments], env=environment(settings), input=typed)


def done(settings: Settings, *arguments: str | Path, typed: str | None = None) -> str:
    """What was told by a command that had to succeed."""
    result = command(settings, *arguments, typed=typed)
    assert result.exit_code == 0, result.output
    return result.output


def refused(settings: Settings, *arguments: str | Path, typed: str | None = None) -> str:
    """What was told by a command that had to be refused, in a sentence."""
    result = command(settings, *arguments, typed=typed)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    return result.output
