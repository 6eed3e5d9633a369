"""One function over many shards: in processes of this machine, or as an array of Slurm jobs.

A shard's result is a folder, finished when it has its name and never before. What a killed run left is used again, and
a process or job that died is replaced; nothing depends on how many there are or in which order they end.
"""

import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline import slurm
from pipeline.errors import UserError
from pipeline.processes import die_with_parent
from pipeline.signals import heeded
from pipeline.stage import ArraySettings, Execution
from pipeline.store import sync_files

ATTEMPTS = 3
DRAFT = ".draft-"
MOST_JOBS = 1000
"""Of one array: Slurm refuses a larger one (MaxArraySize is 1001) unless the cluster's administrator raised that."""
POLL_SECONDS = 1.0
MISSING_POLLS = 3
"""How often in a row Slurm must not know a job any more: a result may reach a network disk later than the job's end."""

Work = Callable[[Any, Path], None]
"""A module's function that writes one shard's result into an empty folder; both arguments are pickled."""


def run_shards(work: Work, shards: Mapping[Path, Any], execution: Execution, label: str) -> None:
    """Make each folder that is not there yet by `work(given, folder)`, with a progress bar.

    Raises UserError where `work` does, and where a shard's process died three times; other exceptions of `work` come
    through as they are, or with Slurm as a UserError that names the job's log.
    """
    missing = _missing(shards)
    with tqdm(total=len(shards), initial=len(shards) - len(missing), desc=label, unit=" shards") as bar:
        if execution.array is not None and missing:
            _run_array(work, missing, execution.array, bar)
        elif min(execution.workers, len(missing)) > 1:
            _run_processes(work, missing, execution.workers, bar)
        else:
            for out, given in missing.items():
                make_shard(work, given, out)
                bar.update()


def make_once(work: Work, given: Any, out: Path) -> None:
    """Make one folder in this process, unless it is there: what needs all shards together, and the memory for it."""
    for folder in _missing({out: given}):
        make_shard(work, given, folder)


def _missing(shards: Mapping[Path, Any]) -> dict[Path, Any]:
    """Return the shards that are not there, after removing what their killed processes left."""
    missing = {out: given for out, given in shards.items() if not out.is_dir()}
    for folder in {out.parent for out in missing}:
        for draft in folder.glob(f"*{DRAFT}*"):
            shutil.rmtree(draft, ignore_errors=True)  # a job that was cancelled may write for a second more
    return missing


def make_shard(work: Work, given: Any, out: Path) -> None:
    """Make one folder under another name, force it to the disk, and give it its name in one step."""
    draft = out.with_name(f"{out.name}{DRAFT}{uuid.uuid4().hex[:8]}")
    draft.mkdir(parents=True)
    try:
        work(given, draft)
        sync_files(draft)
        if not out.is_dir():  # a job that was given up may have ended after all, with the same result
            draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _run_processes(work: Work, missing: Mapping[Path, Any], workers: int, bar: tqdm) -> None:
    """Keep `workers` processes busy; with fewer of them where one died, since memory is what they mostly die of."""
    for attempt in range(ATTEMPTS):
        todo = _missing(missing)
        processes = max(1, min(workers >> attempt, len(todo)))
        try:
            with ProcessPoolExecutor(processes, _processes(work), initializer=die_with_parent) as pool:
                _make_all(pool, work, todo, bar)
            return
        except BrokenProcessPool:
            left = sum(not out.is_dir() for out in missing)
            tqdm.write(f"a process died (out of memory?); {left} shards are left", file=sys.stderr)
    raise _died(missing, "its process")


def _make_all(pool: ProcessPoolExecutor, work: Work, todo: Mapping[Path, Any], bar: tqdm) -> None:
    """Make all shards in the pool; where something goes wrong, end its processes, for which its `with` waits."""
    before = set(active_children())
    try:
        waiting = {pool.submit(make_shard, work, given, out) for out, given in todo.items()}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                bar.update()
    except BaseException:
        # They would write on when the step's lock is let go, and who waits for that removes their drafts.
        for process in set(active_children()) - before:
            process.kill()
        raise


def _processes(work: Work) -> BaseContext:
    """Return a server that forks processes: what `work` and its stage import is imported once, not by each of them.

    A stage has several phases, and an import takes about a second each time.
    """
    context = get_context("forkserver")
    stage = work.__module__.rpartition(".")[0]
    siblings = [name for name in sys.modules if stage and name.rpartition(".")[0] == stage]
    context.set_forkserver_preload(["pipeline.end_with_stage", work.__module__, *siblings])
    return context


def _run_array(work: Work, missing: Mapping[Path, Any], settings: ArraySettings, bar: tqdm) -> None:
    for attempt in range(ATTEMPTS):
        todo = _missing(missing)
        if not todo:
            return
        if attempt:
            tqdm.write(f"a job died (out of memory?); {len(todo)} shards are left", file=sys.stderr)
        outs = list(todo)
        for first in range(0, len(outs), MOST_JOBS):
            part = {out: todo[out] for out in outs[first : first + MOST_JOBS]}
            _follow(_submit(work, part, settings), list(part), bar)
        for out in todo:
            problem = _problem_file(out)
            if problem.is_file():
                raise UserError(problem.read_text(encoding="utf-8"))
    if _missing(missing):
        raise _died(missing, f"its job (logs: {_log_folder(next(iter(missing)))})")


def _submit(work: Work, todo: Mapping[Path, Any], settings: ArraySettings) -> str:
    """Submit one array of jobs, and return its number; raise UserError with what Slurm says against it."""
    import submitit  # imports slowly, and only a cluster needs it

    slurm.check_installed("srun")  # by which submitit knows a cluster
    logs = _log_folder(next(iter(todo)))
    executor = submitit.SlurmExecutor(folder=logs)
    facts = {"account": settings.account, "partition": settings.partition, "qos": settings.qos}
    executor.update_parameters(
        job_name="mothertongue",
        time=settings.minutes,
        cpus_per_task=1,
        array_parallelism=settings.parallel,
        setup=list(settings.setup),
        stderr_to_stdout=True,
        use_srun=False,
        **({"mem": f"{settings.memory_gb}GB"} if settings.memory_gb else {}),
        additional_parameters={name: value for name, value in facts.items() if value is not None},
    )
    for out in todo:
        _problem_file(out).unlink(missing_ok=True)
    try:
        with submitit.helpers.clean_env():  # this may be a job itself, with resources of its own
            jobs = executor.map_array(_make_in_job, [work] * len(todo), list(todo.values()), list(todo))
    except submitit.core.utils.FailedJobError as error:
        raise slurm.refusal(f"an array of {len(todo)} jobs", str(error)) from None
    return jobs[0].job_id.partition("_")[0]


def _make_in_job(work: Work, given: Any, out: Path) -> None:
    try:
        make_shard(work, given, out)
    except UserError as error:
        _problem_file(out).write_text(str(error), encoding="utf-8")


def _follow(array: str, outs: list[Path], bar: tqdm) -> None:
    """Wait until Slurm does not know the array any more; cancel it where this process is stopped."""
    with _signals_raised():
        try:
            _wait(array, outs, bar)
        except BaseException:
            subprocess.run(["scancel", array], check=False)
            raise


def _wait(array: str, outs: list[Path], bar: tqdm) -> None:
    unknown = before = 0
    while unknown < MISSING_POLLS:
        time.sleep(POLL_SECONDS)
        finished = sum(out.is_dir() for out in outs)
        bar.update(finished - before)
        before = finished
        if finished == len(outs):
            return
        listed = subprocess.run(["squeue", "--noheader", f"--jobs={array}"], capture_output=True, text=True)
        no_answer = listed.returncode != 0 and "Invalid job id" not in listed.stderr
        unknown = 0 if listed.stdout.strip() or no_answer else unknown + 1


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Have SIGTERM and a closed terminal raise UserError: they would end this process at once, and not the jobs."""

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # Slurm and the runner may both send it
        raise UserError(
            f"stopped by {signal.Signals(number).name}, and the jobs of the shards are cancelled; run again"
        )

    before = {number: signal.signal(number, stop) for number in heeded((signal.SIGTERM, signal.SIGHUP))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log_folder(out: Path) -> Path:
    return out.parent / "jobs"


def _problem_file(out: Path) -> Path:
    return out.with_name(f"{out.name}.problem")


def _died(missing: Mapping[Path, Any], what: str) -> UserError:
    left = [out.name for out in missing if not out.is_dir()]
    return UserError(
        f"{len(left)} shards were not made, {left[0]} among them: {what} ended {ATTEMPTS} times. If the memory ran "
        "out, lower cluster.workers, or on Slurm raise cluster.array.memory_gb; then run again to go on"
    )
