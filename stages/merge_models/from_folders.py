"""Merge two model folders: `python -m stages.merge_models.from_folders --help`."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import get_args

from pipeline.errors import UserError
from stages.merge_models.folders import merge_folders
from stages.merge_models.settings import Tensors
from stages.shared.command_line import run_command


def main(arguments: list[str] | None = None) -> int:
    """Run the command; exit status 2 with one line where the user can mend it."""
    return run_command(parser(), run, arguments)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(
        prog="python -m stages.merge_models.from_folders",
        description="Write the weighted mean of two models that were trained from one base model and one tokenizer.",
    )
    command.add_argument("model", type=Path, metavar="MODEL_DIR", help="Hugging Face folder of the first model")
    command.add_argument("other", type=Path, metavar="OTHER_DIR", help="folder of the other model")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder that is not there yet")
    command.add_argument("--weight", type=float, required=True, help="share of the other model, from 0 to 1")
    command.add_argument("--tensors", choices=get_args(Tensors), required=True, help="all weights, or the tables alone")
    return command


def run(given: argparse.Namespace) -> str:
    """Merge, and return the line to print. The folder appears whole."""
    if not 0 <= given.weight <= 1:
        raise UserError(f"--weight {given.weight} is no share; give a number from 0 to 1")
    if given.out.exists():
        raise UserError(f"{given.out} is there already; give a folder that is not")
    work = given.out.with_name(f"{given.out.name}.unfinished")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    averaged = merge_folders(given.model, given.other, given.weight, given.tensors, work)
    work.rename(given.out)
    return f"{given.out}: {averaged} tensors averaged, {given.weight:g} of {given.other}"


if __name__ == "__main__":
    sys.exit(main())
