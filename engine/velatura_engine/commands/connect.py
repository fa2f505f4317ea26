"""The engine that a command talks to: the one it is given, the one that runs here, or one that is started."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from velatura import Engine, discovery, errors
from velatura.endpoint import Endpoint

IDLE_SECONDS = 900


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of every command that talks to an engine."""
    group = command.add_argument_group("engine")
    group.add_argument(
        "--engine", metavar="ADDRESS", help="host:port or https://host:port (default: the one on this computer)"
    )
    group.add_argument("--token-file", metavar="FILE", help="file with the engine's token (default: VELATURA_TOKEN)")
    group.add_argument("--tls-ca", metavar="FILE", help="certificates to trust, PEM")
    group.add_argument("--json", action="store_true", help="print one JSON document for scripts")
    group.add_argument("--quiet", action="store_true", help="no progress")


def find(options: argparse.Namespace) -> Endpoint | None:
    """The engine that the options name, or that runs here; None where there is none."""
    if not options.engine:
        return discovery.find()
    token = os.environ.get("VELATURA_TOKEN", "")
    if options.token_file:
        token = read_token(Path(options.token_file))
    return Endpoint(address=options.engine, token=token, tls_ca=options.tls_ca)


def open(options: argparse.Namespace) -> Engine:
    """A connection; where no engine runs on this computer, one is started."""
    endpoint = find(options)
    if endpoint is None:
        if not options.quiet:
            sys.stderr.write("Starting the engine …\n")
        serve = ["serve", "--port", "0", "--idle-exit", str(IDLE_SECONDS)]
        endpoint = discovery.start([sys.executable, "-m", "velatura_engine", *serve])
    return Engine.connect(endpoint)


def read_token(path: Path) -> str:
    """A token from its file. Raises Invalid."""
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as trouble:
        raise errors.Invalid(f"{path} cannot be read: {trouble}", field="token_file") from None


def plain(trouble: errors.VelaturaError) -> str:
    """An error in one line: the field by the name of its option, what is wrong, what to do."""
    return str(trouble)
