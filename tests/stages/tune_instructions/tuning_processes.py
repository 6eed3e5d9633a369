"""Several tiny tunings, one after the other, in each process of a torchrun: `python tuning_processes.py CASES.json`."""

import json
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from accelerate import Accelerator  # noqa: E402
from tuning_case import run_case  # noqa: E402

from pipeline.errors import OutOfTime  # noqa: E402
from stages.tune_instructions.progress import Progress  # noqa: E402

ON_LOG = Progress.on_log


def run_until(case: dict) -> None:
    """Run a tuning; with a `stop`, the last process alone is sent a scheduler's signal after that step."""

    def signalled(self, args, state, control, logs=None, **more):
        ON_LOG(self, args, state, control, logs, **more)
        if state.global_step == case.get("stop") and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGUSR1)

    Progress.on_log = signalled
    inputs = {name: Path(folder) for name, folder in case["inputs"].items()}
    try:
        metrics = run_case(inputs, Path(case["out"]), case["tuning"])
        assert metrics["processes"] == 2
        assert "stop" not in case
    except OutOfTime as error:
        Path(f"{case['out']}.{os.environ['RANK']}").write_text(str(error), encoding="utf-8")


if __name__ == "__main__":
    # The processes stay joined from one tuning to the next: to join anew under the same address may hang.
    Accelerator.end_training = lambda accelerator: None
    for each in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        run_until(each)
