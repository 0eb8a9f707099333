"""`ecgal`: the commands. Each parses, calls, prints; errors are one sentence on stderr, exit 1.

Commands work on ECG_HOME and Redis directly, so that they answer while the web process is down.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import click
from redis.exceptions import RedisError

from backend.errors import BackendError
from cli.augment import augment
from cli.base_model import base_model
from cli.called import as_called
from cli.connect import connect
from cli.convert import convert
from cli.disconnect import disconnect
from cli.distill import distill
from cli.doctor import doctor
from cli.errors import errors
from cli.evaluate import evaluate
from cli.export import export
from cli.parse import parse
from cli.project import models, promote, queue, rerank, resume, retrain, rollback, status
from cli.reconcile import reconcile
from cli.split import split
from cli.train import train
from cli.up import up

PLACES = "every place that is given, and ECG_HOME, must be one that you may read and write"


class Commands(click.Group):
    """A group whose commands report BackendError as one sentence, on a terminal of any encoding."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run as a program; a character that the terminal's encoding lacks is shown as `?`."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what can go wrong becomes a message and exit code 1."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if type(error) is not click.ClickException:
                raise
            raise click.ClickException(as_called(error.message)) from None
        except BackendError as error:
            raise click.ClickException(as_called(str(error))) from None
        except OSError as error:
            if not error.filename:  # a closed pipe, which click knows
                raise
            what = BackendError(f"Cannot read or write ({error.strerror})", error.filename, PLACES)
            raise click.ClickException(str(what)) from None
        except RedisError as error:
            told = f"Redis does not answer ({type(error).__name__}). Start `ecgal up`, or check REDIS_URL and ECG_HOME."
            raise click.ClickException(as_called(told)) from None


@click.group(cls=Commands)
@click.version_option(package_name="ecg-active-learning")
def main() -> None:
    """Active learning on Chinese ECG reports with Label Studio."""


for command in (
    up,
    connect,
    disconnect,
    doctor,
    status,
    queue,
    models,
    retrain,
    rerank,
    promote,
    rollback,
    resume,
    base_model,
    reconcile,
    convert,
    split,
    augment,
    train,
    parse,
    evaluate,
    errors,
    export,
    distill,
):
    main.add_command(command)

if __name__ == "__main__":
    sys.exit(main())
