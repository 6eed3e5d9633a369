"""The command line behind the Makefile: `python -m pipeline COMMAND [-m] language=dutch [KEY=VALUE ...]`."""

import argparse
import errno
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from pipeline import card_commands, commands
from pipeline.config import artifact_folder
from pipeline.curves import run_curves
from pipeline.errors import GO_ON, OutOfTime, UserError
from pipeline.leaderboard import run_leaderboard
from pipeline.train import run_training
from pipeline.translate import Request, translate

PLANNED = {
    "adapt": commands.adapt,
    "plan": commands.plan,
    "fetch": commands.fetch,
    "status": commands.status,
    "config": commands.config,
}
DRY = {
    "train": run_training,
    "leaderboard": run_leaderboard,
    "curves": run_curves,
    "corpus": commands.corpus,
}
# EEXIST and ENOTDIR: a file stands where a folder is to be.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)
DISK_REMEDY = "Make room (`make du`, `make gc APPLY=1`), or set machine.artifacts in conf/local.yaml"
SWEPT = ("adapt", "plan", "fetch", "status")
MULTIRUN = ("-m", "--multirun")
NAMED = {
    "logs": ("--step",),
    "explain": ("--token",),
    "trace": ("--source",),
    "translate": ("--from", "--text", "--file", "--out", "--decoding"),
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        """Raise UserError instead of printing the usage."""
        raise UserError(f"{message}; `make help` and `{self.prog} --help` say what there is")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a UserError is one clear line each and exit status 2."""
    try:
        words = _expanded(list(sys.argv[1:] if arguments is None else arguments))
        return _dispatch(_parser().parse_args(words))
    except OutOfTime as error:
        print(error, file=sys.stderr)
        return GO_ON
    except UserError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        print(f"error: {error.strerror}: {error.filename}. {DISK_REMEDY}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _expanded(arguments: list[str]) -> list[str]:
    """Replace `--language X` and `--args "..."`, as the Makefile gives them, by the overrides that they stand for.

    `-m` goes to the front: argparse takes the overrides only as one run of words. What a step or
    a token is called may begin with `-`, or be any of these words.

    >>> _expanded(["plan", "--language", "dutch", "--args", "-m training.seed=1,2"])
    ['plan', '-m', 'language=dutch', 'training.seed=1,2']
    """
    words = arguments
    if words and words[0] in NAMED:
        words = _joined(words, NAMED[words[0]])
    words = _replaced(words, "--args", _split)
    words = _replaced(words, "--language", lambda name: [f"language={name}"])
    flags = [word for word in words if word in MULTIRUN]
    if flags and words[0] not in SWEPT:
        raise UserError(f"{words[0]} takes one config; leave {flags[0]} out ({', '.join(SWEPT)} take several)")
    return [*words[:1], *flags, *(word for word in words[1:] if word not in flags)]


def _joined(arguments: list[str], options: Sequence[str]) -> list[str]:
    """Return the arguments with the first options, given one by one in this order, and their values as one word each.

    >>> _joined(["translate", "--from", "--text", "--text", "-m", "x=1"], ["--from", "--text"])
    ['translate', '--from=--text', '--text=-m', 'x=1']
    """
    joined, rest = arguments[:1], arguments[1:]
    for option in options:
        if rest[:1] == [option]:
            if len(rest) == 1:
                raise UserError(f"{option} needs a value")
            joined.append(f"{option}={rest[1]}")
            rest = rest[2:]
    return joined + rest


def _replaced(arguments: list[str], option: str, words: Callable[[str], list[str]]) -> list[str]:
    """Return the arguments with `option` and its value replaced by the words for that value."""
    if option not in arguments:
        return arguments
    before, after = arguments[: arguments.index(option)], arguments[arguments.index(option) + 1 :]
    if not after:
        raise UserError(f"{option} needs a value")
    return [*before, *words(after[0]), *after[1:]]


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UserError(f"cannot read ARGS: {str(error).lower()} in {line}") from None


def _dispatch(options: argparse.Namespace) -> int:
    if options.command in PLANNED:
        return PLANNED[options.command](options.overrides, getattr(options, "multirun", False))
    if options.command in DRY:
        return DRY[options.command](options.overrides, options.plan)
    if options.command == "logs":
        return commands.logs(options.overrides, options.step)
    if options.command == "explain":
        return commands.explain_token(options.overrides, options.token)
    if options.command == "translate":
        given = {name: getattr(options, name) or "" for name in ("text", "file", "out", "decoding")}
        return translate(options.overrides, Request(source=options.source or "", **given))
    if options.command == "languages":
        return card_commands.show_languages(options.measure)
    if options.command == "cards":
        return card_commands.show_cards()
    if options.command == "lock":
        return commands.lock_sources()
    artifacts = artifact_folder(options.overrides)
    if options.command == "gc":
        return commands.gc(artifacts, options.apply)
    if options.command == "trace":
        return card_commands.trace_source(artifacts, options.source)
    return {"verify": commands.verify, "du": commands.du}[options.command](artifacts)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m pipeline", description=__doc__)
    names = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in PLANNED.items():
        one = names.add_parser(name, help=command.__doc__, description=command.__doc__)
        if name in SWEPT:
            one.add_argument(*MULTIRUN, action="store_true", help="every combination of comma-separated values")
        _takes_overrides(one)
    for name, dry in DRY.items():
        one = names.add_parser(name, help=dry.__doc__, description=dry.__doc__)
        one.add_argument("--plan", action="store_true", help="only show what would run")
        _takes_overrides(one)
    logs = names.add_parser("logs", help=commands.logs.__doc__)
    logs.add_argument("--step", required=True, help="name of a step, for example corpus; `status` shows them")
    _takes_overrides(logs)
    about = commands.explain_token.__doc__
    explain = names.add_parser("explain", help=about, description=about)
    explain.add_argument("--token", required=True, help="a word, a token such as ▁huis, or an id such as #123")
    _takes_overrides(explain)
    _takes_text(names.add_parser("translate", help=translate.__doc__, description=translate.__doc__))
    known = names.add_parser("languages", help=card_commands.show_languages.__doc__)
    known.add_argument("--measure", action="store_true", help="fetch and read what is new or changed")
    names.add_parser("cards", help=card_commands.show_cards.__doc__)
    traced = names.add_parser("trace", help=card_commands.trace_source.__doc__)
    traced.add_argument("--source", required=True, help="name of a data card")
    _takes_overrides(traced)
    names.add_parser("lock", help=commands.lock_sources.__doc__)
    _takes_overrides(names.add_parser("verify", help=commands.verify.__doc__))
    _takes_overrides(names.add_parser("du", help=commands.du.__doc__))
    gc = names.add_parser("gc", help=commands.gc.__doc__)
    gc.add_argument("--apply", action="store_true", help="remove them")
    _takes_overrides(gc)
    return parser


def _takes_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", help="language of the text, for example english")
    parser.add_argument("--text", help="what to translate, line by line")
    parser.add_argument("--file", help="the same in a file")
    parser.add_argument("--out", help="file for the translations; printed where there is none")
    parser.add_argument("--decoding", help="file of conf/decoding/, for example beam")
    _takes_overrides(parser)


def _takes_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="Hydra overrides, for example mapping=mean")


if __name__ == "__main__":
    sys.exit(main())
