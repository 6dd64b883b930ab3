"""``python -m nodelib.experiments NAME [--variant V] [--seed K]``: run and record experiments."""

import argparse
import sys

from nodelib import experiments
from nodelib.errors import NodelibError


def main() -> int:
    """Record what the command line asks for; 1 with a message on the error stream if it fails."""
    parser = argparse.ArgumentParser(prog="python -m nodelib.experiments", description=__doc__)
    parser.add_argument("name", nargs="+", help="experiments to run and record")
    parser.add_argument("--variant", action="append", help="this variant only (repeatable)")
    parser.add_argument("--seed", action="append", type=int, help="this seed only (repeatable)")
    arguments = parser.parse_args()
    try:
        for name in arguments.name:
            for path in experiments.record(name, arguments.variant, arguments.seed):
                print(path)
    except NodelibError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
