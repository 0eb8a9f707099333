"""`ecgal reconcile`: the loop that asks Label Studio for what no webhook told."""

from __future__ import annotations

import signal
import threading

import click

from backend.files import check_writable
from backend.logs import configure
from backend.settings import Settings
from trainer.parts import WorkerParts
from trainer.proposing import Proposer
from trainer.reconcile import Reconciler


@click.command()
@click.option("--once", is_flag=True, help="Reconcile once and end.")
def reconcile(once: bool) -> None:
    """Compare connected projects with Label Studio until stopped (part of `ecgal up`)."""
    settings = Settings.from_env()
    configure(settings.log_level)
    check_writable(settings.home)
    parts = WorkerParts.open(settings)
    reconciler = Reconciler(parts)
    if once:
        return reconciler.tick()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    # Beside the ticks, because a tick can take longer than an annotator takes to open the next report.
    threading.Thread(target=Proposer(parts).run, args=(stopped.wait,), name="proposing", daemon=True).start()
    return reconciler.run(stopped.wait)
