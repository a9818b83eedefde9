"""`python -m softlane`: see cli.py."""

import sys

from softlane.cli import main

if __name__ == "__main__":
    sys.exit(main())
