"""`python -m velatura_engine.server`: run the engine."""

import sys

from .serve import main

if __name__ == "__main__":
    sys.exit(main())
