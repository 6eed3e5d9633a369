"""What a training writes down as it goes: files that its checkpoints carry, the tracker, and a log of its speed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from pipeline.tracking import Tracker

METRICS, HELD_OUT, SAMPLES = FILES = ("metrics.jsonl", "held_out.jsonl", "samples.jsonl")
"""Lines of each optimizer step, of each language at each look, and of each prompt at each look; they hold no times."""
SPEED = "speed.jsonl"
"""A line of each optimizer step, in the step's folder of logs: its figures differ from run to run."""


class Journal:
    """The files of one training, open for writing. Use as a context manager.

    Only the first process has some: with `out` None nothing is written.
    """

    def __init__(self, out: Path | None, logs: Path | None, earlier: Mapping[str, str], tracker: Tracker) -> None:
        self.out, self.logs, self.earlier, self.tracker = out, logs, earlier, tracker
        self.files: dict[str, TextIO] = {}
        self.speed: TextIO | None = None

    def __enter__(self) -> Self:
        """Open the files with what an interrupted run had written until its checkpoint."""
        for name in self.earlier if self.out else ():
            self._open(name).write(self.earlier[name])
        if self.out and self.logs:
            self.logs.mkdir(parents=True, exist_ok=True)
            self.speed = (self.logs / SPEED).open("a", encoding="utf-8", newline="\n")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the files and the tracker."""
        for file in (*self.files.values(), self.speed):
            if file is not None:
                file.close()
        self.tracker.finish()

    def step(self, line: Mapping[str, Any], speed: Mapping[str, Any]) -> None:
        """Write down an optimizer step."""
        self._write(METRICS, line)
        if self.speed:
            self.speed.write(json.dumps({"step": line["step"], **speed}) + "\n")
            self.speed.flush()  # to be read while it grows
        self.tracker.log(line["step"], {**line, **speed})

    def held_out(self, step: int, line: Mapping[str, Any]) -> None:
        """Write down the bits per byte of one text."""
        self._write(HELD_OUT, line)
        self.tracker.log(step, {f"held_out/{line['text']}_{name}": line[name] for name in ("bits_per_byte", "loss")})

    def samples(self, step: int, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write down continued prompts."""
        for line in lines:
            self._write(SAMPLES, line)
        if lines:
            self.tracker.log_table(step, "samples", lines)

    def contents(self) -> dict[str, str]:
        """Return what the files hold, for a checkpoint."""
        found = {}
        for name, file in self.files.items():
            file.seek(0)
            found[name] = file.read()
        return found

    def _write(self, name: str, line: Mapping[str, Any]) -> None:
        if self.out:
            file = self.files.get(name) or self._open(name)
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _open(self, name: str) -> TextIO:
        if self.out is None:
            raise ValueError("this journal has no files")
        self.files[name] = (self.out / name).open("w+", encoding="utf-8", newline="\n")
        return self.files[name]
