"""`python -m velatura_engine` and `velatura`: the command line, with the engine's start taken out of its way.

A worker's process imports its parent's main module again before it does anything: so this one imports nothing.
"""

import sys


def main() -> int:
    """Run the command that `sys.argv` names; returns the exit code."""
    if sys.argv[1:2] == ["serve"]:
        return _serve(sys.argv[2:])
    from .cli import main as command

    return command()


def _serve(arguments: list[str]) -> int:
    """The worker's imports take seconds, the server's one: let both begin at once, but not where help is wanted."""
    from .worker.launch import launch

    launched = None if {"-h", "--help"} & set(arguments) else launch()
    from .server.serve import main as serve

    return serve(arguments, launched)


if __name__ == "__main__":
    sys.exit(main())
