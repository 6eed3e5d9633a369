"""How the processes of a parallel stage are started, on one machine or on the nodes of a Slurm job.

`python -m pipeline.torchrun ARGUMENTS` is what srun starts on each node: torchrun, as it has to be started there.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence

from pipeline import slurm
from pipeline.errors import UserError

HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""For the ranks, not for torchrun: it would die of SIGUSR1, and of the others give the ranks 30 seconds to save."""
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--signals-to-handle=SIGQUIT")
FIRST_PORT, PORTS = 20_000, 10_000
"""Where the nodes of a job meet: below the ports that Linux gives away by itself."""


def torchrun_command(processes: int, nodes: int, environment: Mapping[str, str]) -> list[str]:
    """Return the command that starts so many processes on this machine, or on as many nodes of this Slurm job.

    torchrun on CPU too: `accelerate launch --cpu --num_processes 2` silently starts one process. Raises UserError for
    several nodes outside of a job.
    """
    each = f"--nproc-per-node={processes // nodes}"
    if nodes == 1:
        return [*TORCHRUN, each, "--standalone"]
    job = environment.get("SLURM_JOB_ID")
    if job is None:
        raise UserError(f"cluster.slurm.nodes={nodes}, but this is no Slurm job; start it with cluster=slurm")
    # srun does not take over the job's cores by itself (Slurm 22.05 and later).
    cores = f"--cpus-per-task={environment.get('SLURM_CPUS_PER_TASK', '1')}"
    srun = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", cores, "--kill-on-bad-exit=1"]
    # torchrun's other way to meet, c10d, numbers nodes by their names, and has the others call the first as that calls
    # itself, which may be a name for the loopback device. Slurm starts a job's script on its first node: the process
    # that writes the metrics is then on the machine where the worker reads them, whatever a network file system caches.
    first = slurm.first_node(environment["SLURM_JOB_NODELIST"])
    meeting = ["--rdzv-backend=static", f"--master-addr={first}", f"--master-port={FIRST_PORT + int(job) % PORTS}"]
    return [*srun, sys.executable, "-m", "pipeline.torchrun", each, f"--nnodes={nodes}", f"--rdzv-id={job}", *meeting]


def block_handed_on() -> None:
    """Keep from this process, and from what takes its place, the signals that are for the ranks.

    Blocked rather than ignored: ranks inherit either, and what comes before they are ready is kept for them.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)


def main(arguments: Sequence[str]) -> None:
    """Have torchrun take this process' place; srun gives a signal to all processes of a node."""
    block_handed_on()
    command = [*TORCHRUN, f"--node-rank={os.environ['SLURM_NODEID']}", *arguments]
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
