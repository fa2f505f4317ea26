"""Starting a worker's process. Imports next to nothing, so that it can be done before anything else is."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

PAINTER = "velatura_engine.run:Runner"


@dataclass(frozen=True, slots=True)
class Launched:
    """A worker's process, which already imports what it needs, and the pipe to it."""

    process: BaseProcess
    connection: Connection


def launch(factory: str = PAINTER) -> Launched:
    """Start a process that will make its runner with `factory`, "module:callable", once it is told the options."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, factory), daemon=True, name="velatura-worker")
    process.start()
    theirs.close()
    return Launched(process, ours)


def _main(connection: Connection, factory: str) -> None:
    from .main import main

    main(connection, factory)
