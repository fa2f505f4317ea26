"""`python -m velatura_engine` and `velatura`: the command line, and before it, where one is wanted, a worker.

A worker's process imports its parent's main module again before it does anything: so this one imports nothing.
"""

import sys


def main() -> int:
    """Run the command that `sys.argv` names; returns the exit code."""
    launched = None
    if sys.argv[1:2] == ["serve"] and not {"-h", "--help"} & set(sys.argv):
        # The worker's imports take seconds, the server's one: both begin at once.
        from .worker.launch import launch

        launched = launch()
    from .cli import main as command

    return command(launched=launched)


if __name__ == "__main__":
    sys.exit(main())
