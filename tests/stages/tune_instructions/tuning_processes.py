"""Several tiny tunings, one after the other, in each process of a torchrun: `python tuning_processes.py CASES.json`.

Accelerate shards models on GPUs only. fully_shard itself takes gloo on CPUs as well, so here the processes are made
known to Accelerate as if they had GPUs, where a case asks for sharding.
"""

import json
import os
import signal
import sys
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from accelerate import Accelerator, PartialState  # noqa: E402
from accelerate.state import AcceleratorState  # noqa: E402
from accelerate.utils import DistributedType  # noqa: E402
from torch.distributed.fsdp import FSDPModule  # noqa: E402
from torch.distributed.tensor import DTensor  # noqa: E402
from tuning_case import run_case  # noqa: E402

from pipeline.errors import OutOfTime  # noqa: E402
from stages.tune_instructions.progress import Progress  # noqa: E402

ON_LOG = Progress.on_log
JOIN = PartialState.__init__


def join_anew(as_gpus: bool) -> None:
    """Have the processes join anew, and tell Accelerate that they have GPUs."""

    def join(state, *args, **options):
        JOIN(state, *args, **options)
        if as_gpus and state.distributed_type == DistributedType.MULTI_CPU:
            PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU

    AcceleratorState._reset_state(reset_partial_state=True)  # of the tuning before
    PartialState.__init__ = join


def fsdp_modules(model):
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def run_until(case: dict) -> None:
    """Run a tuning; with a `stop`, the last process alone is sent a scheduler's signal after that step."""
    sharded = case.get("execution", {}).get("sharding") == "full"
    join_anew(as_gpus=sharded)
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)  # ignored once it has ended a tuning

    def signalled(self, args, state, control, logs=None, **more):
        ON_LOG(self, args, state, control, logs, **more)
        kinds = {isinstance(weight, DTensor) for weight in more["model"].parameters()}
        assert kinds == {sharded}
        if state.global_step == case.get("stop") and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGUSR1)

    def accumulating(self, args, state, control, **more):
        """Check that between the micro-batches of a step no process holds gradients of another's part."""
        groups = [module._get_fsdp_state()._fsdp_param_groups for module in fsdp_modules(more["model"])]
        weights = [weight for group in chain(*groups) for weight in group.fsdp_params]
        assert bool(weights) == sharded
        assert all(weight.unsharded_accumulated_grad is None for weight in weights)
        assert all(weight._unsharded_param.grad is None for weight in weights)  # in the precision of the exchange

    Progress.on_log, Progress.on_substep_end = signalled, accumulating
    inputs = {name: Path(folder) for name, folder in case["inputs"].items()}
    try:
        metrics = run_case(inputs, Path(case["out"]), case["tuning"], case.get("execution"))
        assert metrics["processes"] == 2
        assert "stop" not in case
    except OutOfTime as error:
        Path(f"{case['out']}.{os.environ['RANK']}").write_text(str(error), encoding="utf-8")


if __name__ == "__main__":
    # The processes stay joined from one tuning to the next: to join anew under the same address may hang.
    Accelerator.end_training = lambda accelerator: None
    for each in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        run_until(each)
