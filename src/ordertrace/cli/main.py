"""Joins the commands and turns every error into one line and an exit code: 0 done, 1 failed, 2 wrong use, 3 found something."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import click

from .. import __version__
from ..errors import OrdertraceError
from ..telemetry import set_up_logging
from .config import config
from .demo import demo
from .doctor import doctor
from .exports import export
from .imports import import_recordings
from .orders import order, orders
from .rules import rules
from .serve import serve
from .shared import SettingsError
from .store import store

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ordertrace", message="%(prog)s %(version)s")
def cli() -> None:
    """Where is an order, why is it stuck, what was lost, who is next."""


for command in (serve, demo, orders, order, import_recordings, config, doctor, rules, store, export):
    cli.add_command(command)


def main() -> None:
    """Entry point of the installed command."""
    set_up_logging("console", "warning")
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(WRONG_USE)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain while it shuts down either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except (Exception, KeyboardInterrupt, click.Abort) as error:
        text, code = explain(first_cause(error))
        click.echo(f"ordertrace: {text}", err=True)
        sys.exit(code)
    sys.exit(code if isinstance(code, int) else 0)


def explain(error: BaseException) -> tuple[str, int]:
    """An error as one line, and the exit code for it."""
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "ordertrace"
        return f"{_line(error.format_message())} See {where} --help", WRONG_USE
    if isinstance(error, click.ClickException):
        return _line(error.format_message()), error.exit_code
    if isinstance(error, SettingsError):
        return _line(str(error)), WRONG_USE
    if isinstance(error, OrdertraceError):
        return _line(str(error)), FAILED
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return "interrupted", INTERRUPTED
    if isinstance(error, OSError):
        return f"{error.strerror or type(error).__name__}{f': {error.filename}' if error.filename else ''}", FAILED
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{place}; this is a fault of ordertrace, please report it", FAILED


def first_cause(error: BaseException) -> BaseException:
    """The first error of a group that tells something; groups come from parts that run side by side."""
    while isinstance(error, BaseExceptionGroup):
        ours = [one for one in error.exceptions if isinstance(one, OrdertraceError | BaseExceptionGroup)]
        error = (ours or list(error.exceptions))[0]
    return error


def _line(text: str) -> str:
    return " ".join(text.split())
