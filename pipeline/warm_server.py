"""Fork workers from a process that has imported the large libraries: `python -m pipeline.warm_server`.

`pipeline.warm_workers` starts it and says in which form they talk. Nothing is computed here: what is forked has the
libraries' code and none of their threads, and of CUDA nothing, which no fork survives.
"""

import gc
import importlib
import json
import os
import signal
import sys
from typing import TextIO

from pipeline import worker
from pipeline.processes import die_with_parent

IMPORTED = ("torch", "transformers.models.llama.modeling_llama")
# A terminal sends its Ctrl-C to all; this process ends when nobody is there to ask for workers.
LEFT_TO_WORKERS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)


def main() -> int:
    """Fork a worker for each line of stdin and tell of its number and of how it ended; return that of the worker."""
    # Blocked rather than ignored: what comes for a worker that is being forked is kept for it; and what this process
    # was started to ignore, as `nohup` has it, its workers ignore too.
    signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_WORKERS)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    for library in IMPORTED:
        importlib.import_module(library)
    gc.freeze()
    print("ready", file=answers)
    for line in sys.stdin:
        asked = json.loads(line)
        forked = os.fork()
        if forked == 0:
            return _be_worker(asked["step"], asked["log"], answers)
        print(forked, file=answers)
        _, status = os.waitpid(forked, 0)
        print(os.waitstatus_to_exitcode(status), file=answers)
    return 0


def _be_worker(step: str, log: str, answers: TextIO) -> int:
    """Be as a process that `python -m pipeline.worker STEP` has just begun, its output in the log."""
    die_with_parent()
    answers.close()
    nothing, sink = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for own, standard in ((nothing, 0), (sink, 1), (sink, 2)):
        os.dup2(own, standard)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_WORKERS)
    sys.argv = [str(worker.__file__), step]
    return worker.main([step])


if __name__ == "__main__":
    sys.exit(main())
