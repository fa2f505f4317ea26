"""From nothing running to the first picture, through the command line, and where the time goes.

Each round has an empty state folder and starts an engine of its own, as a new user's first `velatura texture` does
after the installation. The program files are in the system's cache from the second round on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import _lab
from velatura import discovery

TOTAL = "first picture"


def round_trip(options: argparse.Namespace) -> dict[str, float]:
    """One start; seconds of each part in order, and of the whole."""
    with tempfile.TemporaryDirectory(prefix="velatura-bench-") as folder:
        home = Path(folder)
        environment = dict(os.environ, VELATURA_HOME=str(home), VELATURA_DEVICE="cpu")
        # Python may keep what it compiled, as it does for everybody who has not forbidden it.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for name in ("VELATURA_ENGINE", "VELATURA_CONFIG"):
            environment.pop(name, None)
        command = [
            sys.executable,
            "-m",
            "velatura_engine",
            "texture",
            _lab.PROMPT,
            "--json",
            "--out",
            str(home / "out"),
        ]
        command += ["--size", str(options.size), "--steps", str(options.steps), "--seed", str(_lab.SEED)]
        since = time.time()
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stderr is not None
            process.stderr.readline()  # "Starting the engine"
            asked = time.time()
            said = process.stdout.read()
        total = time.time() - since
        log = (home / discovery.LOG_FILE).read_text("utf-8")
        _lab.stop(home)
    if process.returncode:
        sys.exit(f"It failed:\n{said.decode()}\n{log}")
    return parts(log, json.loads(said)["timings"], since=since, asked=asked, total=total)


def parts(log: str, timings: dict[str, float], *, since: float, asked: float, total: float) -> dict[str, float]:
    """The parts that follow each other, from the engine's log and the job's own timings."""
    front = moment(log, "listens on") - asked
    ready = moment(log, "worker INFO ready")
    imports, load = (float(number) for number in re.findall(r"([\d.]+) s (?:to import|to load)", log)[:2])
    paint = {stage.rpartition(":")[2]: seconds for stage, seconds in timings.items() if ":" in stage}
    found = {
        "command line: start, imports": asked - since,
        "front: start, imports, listen": front,
        "worker: start": ready - asked - front - imports - load,
        "worker: imports": imports,
        "worker: model": load,
        "denoise": paint["diffuse"],
        "decode": paint["decode"],
    }
    rest = total - sum(found.values())
    return {**found, "hand over, encode, save, leave": rest, TOTAL: total}


def moment(log: str, words: str) -> float:
    """When a line with these words was logged, seconds since 1970."""
    line = next(line for line in log.splitlines() if words in line)
    return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()


def main() -> None:
    """Measure and print."""
    options = _lab.options(__doc__, rounds=5)
    rounds = [round_trip(options) for _ in range(options.rounds)]
    figures = [_lab.Figure(name="the first round", value=rounds[0][TOTAL])]
    for name in rounds[0]:
        value = statistics.median(times[name] for times in rounds)
        figures.append(_lab.Figure(name=name, value=value, target=10.0 if name == TOTAL else None))
    _lab.report("First picture, nothing running before", figures, options)


if __name__ == "__main__":
    main()
