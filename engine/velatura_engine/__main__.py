"""`python -m velatura_engine`: the same as `velatura`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
