"""Where the commands print; read by a program, tables are of one width and lines as long as they are."""

import os

from rich.console import Console

console = Console(width=None if os.isatty(1) else 140, highlight=False, soft_wrap=True, markup=False)
