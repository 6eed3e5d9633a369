"""How fast is ingest_corpus, how much faster with two processes, and does its memory grow with the text?

    .venv/bin/python benchmarks/corpus.py TEXT [TEXT ...] [--megabytes 100] [--workers 1 2] [--repeats 3] [--ceiling]

TEXT are real Dutch texts of a paragraph a line, .gz too. From their lines, drawn with a seed, documents of twenty lines
are made until there are so many megabytes: as varied as the text, and of any size. Each run is in a process of its own;
its rival is the run with the first number of workers just before it. `--ceiling` also runs two of the first at once,
which share nothing: as much faster as they are together, two workers can be at most on this machine.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

LINES = 20
FILES = 8
RUN = """
if __name__ == "__main__":  # imports too: each process of a shard runs this program again, but not `python -m pipeline`
    import json, multiprocessing.forkserver, resource, sys, time
    from pathlib import Path
    from pipeline.card_sources import FileSource
    from pipeline.cards import Reader, ResolvedCard
    from pipeline.config import load_config
    from stages.ingest_corpus.settings import IngestCorpusSettings
    from stages.ingest_corpus.stage import ingest_corpus

    source, out, workers, curation = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    config = load_config(["language=dutch", f"curation={curation}", "corpus.reading.shard_bytes=8_000_000"])
    card = ResolvedCard(
        name="text", role="monolingual", licence="test", languages=("en", "nl"), columns={}, files=(),
        source=FileSource(kind="file", folder=str(source), files=("*",)),
        reader=Reader(kind="text", options={"files": "*.txt", "documents": "blank_lines"}),
    )
    execution = config.execution().model_copy(update={"workers": workers, "downloads": out})
    began, serial = time.perf_counter(), time.process_time()
    settings = IngestCorpusSettings(language=config.language, corpus=config.corpus, cards=(card,))
    metrics = ingest_corpus(settings, {}, out, execution)
    seconds, serial = time.perf_counter() - began, time.process_time() - serial
    multiprocessing.forkserver._forkserver._stop()  # its processes are counted when it has ended
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({
        "seconds": seconds, "rules": metrics["rule_seconds"], "ids": metrics["ids"],
        "serial": serial, "parallel": usage[1].ru_utime + usage[1].ru_stime,
        "peak_mb": max(one.ru_maxrss for one in usage) / 1024,
    }))
"""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--megabytes", nargs="+", type=int, default=[100])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--curation", default="web")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--ceiling", action="store_true", help="two independent runs at once, too")
    options = parser.parse_args()
    lines = [line for path in options.texts for line in read_lines(path)]
    for megabytes in options.megabytes:
        with tempfile.TemporaryDirectory() as folder:
            size = write(Path(folder) / "in", lines, megabytes * 1_000_000) / 1e6
            for _ in range(options.repeats):
                compare(size, Path(folder), options)


def compare(size: float, folder: Path, options: argparse.Namespace) -> None:
    """Run with each number of workers, one after the other, and print."""
    first = None
    for workers in options.workers:
        (found,) = run(folder, [workers], options.curation)
        first = first or found
        show(size, workers, found, first)
    if options.ceiling and first is not None:
        slower = max(found["seconds"] for found in run(folder, options.workers[:1] * 2, options.curation))
        print(f"    two runs that share nothing, at once: {2 * first['seconds'] / slower:.2f} times one", flush=True)


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text that hold any."""
    from stages.shared.readers.text_file import text_lines

    yield from (line for _, line in text_lines(path) if line.strip())


def write(folder: Path, lines: list[str], size: int) -> int:
    """Write documents of drawn lines into some files; return their bytes."""
    folder.mkdir()
    draw, written = random.Random(1), 0
    for number in range(FILES):
        with (folder / f"{number}.txt").open("w", encoding="utf-8") as file:
            while written < size * (number + 1) // FILES:
                text = "\n".join(draw.choice(lines) for _ in range(LINES)) + "\n\n"
                file.write(text)
                written += len(text.encode())
    return written


def run(folder: Path, workers: list[int], curation: str) -> list[dict]:
    """Ingest `folder`/in at once in processes of their own, one for each number of workers; return their figures."""
    time.sleep(1)
    root = Path(__file__).resolve().parent.parent
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"}
    with tempfile.TemporaryDirectory(dir=folder) as out:
        running = []
        for number, count in enumerate(workers):
            program = Path(out) / f"{number}.py"
            program.write_text(RUN)
            program.with_suffix("").mkdir()
            command = [sys.executable, program, folder / "in", program.with_suffix(""), str(count), curation]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            running.append(subprocess.Popen(command, text=True, cwd=root, env=environment, **pipes))
        return [figures(process) for process in running]


def figures(process: subprocess.Popen) -> dict:
    """Wait for an ingest; return what its last line says."""
    output, errors = process.communicate()
    if process.returncode:
        sys.exit(errors[-3000:])
    return json.loads(output.splitlines()[-1])


def show(size: float, workers: int, found: dict, first: dict) -> None:
    """Print one run; the ratio that follows is what cores of their own would give, by the processor seconds alone."""
    kept = found["ids"]["kept"] / found["ids"]["input"]
    spent, once = found["serial"] + found["parallel"], first["serial"] + first["parallel"]
    print(
        f"{size:.0f} MB, {workers} workers: {found['seconds']:.1f} s, {size / found['seconds']:.2f} MB/s, "
        f"{first['seconds'] / found['seconds']:.2f} times the first, peak {found['peak_mb']:.0f} MB a process, "
        f"{kept:.0%} of the documents kept",
        f"    {spent:.1f} processor seconds ({size / spent:.2f} MB a second), {found['serial']:.1f} of them in the "
        f"first process; so {once / (found['serial'] + found['parallel'] / workers):.2f} times the first would follow",
        sep="\n",
        flush=True,
    )
    total = sum(found["rules"].values())
    shares = ", ".join(f"{rule} {seconds / total:.0%}" for rule, seconds in found["rules"].items())
    print(f"    of the rules' {total:.0f} s: {shares}", flush=True)


if __name__ == "__main__":
    main()
