"""How the programs of stages end: with a line on success, and with one that can be acted upon otherwise."""

import argparse
import sys
from collections.abc import Callable, Sequence

from pipeline.errors import UserError


def run_command(
    parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], str], arguments: Sequence[str] | None
) -> int:
    """Print what `run` returns; exit status 2 with one line where the user can mend it."""
    given = parser.parse_args(arguments)
    try:
        print(run(given))
    except (UserError, OSError) as error:  # OSError: a full disk, no permission
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
