"""Several tiny trainings, one after the other, in each process of a torchrun: `python sharding_case.py CASES.json`."""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from accelerate import Accelerator  # noqa: E402
from accelerate.state import AcceleratorState  # noqa: E402
from torch.distributed.tensor import DTensor  # noqa: E402
from training_case import run_case  # noqa: E402

from stages.continue_pretraining import loop  # noqa: E402
from stages.shared.training import setup  # noqa: E402

TAKE_STEP = loop.take_step


def run_until(case: dict) -> None:
    """Run a training; one with a `stop` is left before that step, as if it had been killed."""
    sharded = case["execution"].get("sharding") == "full"

    def checked_step(training, module, weights, step, most_loss):
        if step == case.get("stop"):
            raise KeyboardInterrupt
        assert {isinstance(weight, DTensor) for weight in training.model.parameters()} == {sharded}
        return TAKE_STEP(training, module, weights, step, most_loss)

    loop.take_step = checked_step
    AcceleratorState._reset_state()  # of the training before, which may have had another precision
    try:
        run_case(Path(case["model"]), Path(case["tokens"]), Path(case["out"]), case["execution"], **case["training"])
    except KeyboardInterrupt:
        pass
    finally:
        loop.take_step = TAKE_STEP


if __name__ == "__main__":
    # The processes stay joined from one training to the next: to join anew under the same address may hang.
    Accelerator.end_training = lambda accelerator: None
    if os.environ["RANK"] != "0":
        setup.load_causal_model = None  # the others are sent their parts
    for each in json.loads(Path(sys.argv[1]).read_text()):
        run_until(each)
