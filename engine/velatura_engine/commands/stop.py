"""`velatura stop`: end the engine that runs on this computer."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from typing import Any

from velatura import discovery
from velatura.errors import Timeout

PATIENCE = 15.0


def add(commands: Any) -> None:
    """Put the command on the command line."""
    command = commands.add_parser("stop", help="end the engine on this computer", description=__doc__)
    command.add_argument("--json", action="store_true", help="print one JSON document for scripts")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask it to end and wait for that; returns the exit code."""
    pid = running()
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        while alive(pid):
            if time.monotonic() > until:
                raise Timeout(f"The engine (process {pid}) does not end", remedy="End it with the system's own tools.")
            time.sleep(0.05)
    if options.json:
        json.dump({"stopped": pid is not None, "pid": pid}, sys.stdout)
        sys.stdout.write("\n")
    else:
        sys.stdout.write("No engine was running.\n" if pid is None else "The engine has ended.\n")
    return 0


def running() -> int | None:
    """The process of the engine that wrote its endpoint down and answers there; None where there is none."""
    endpoint = discovery.read_endpoint()
    if endpoint is None or not discovery.answers(endpoint):
        # Its number may belong to another program by now.
        return None
    facts = json.loads((discovery.state_folder() / discovery.ENDPOINT_FILE).read_text("utf-8"))
    return int(facts["pid"])


def alive(pid: int) -> bool:
    """The process has not ended; one that nobody waited for has."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True
