"""How the processes of a parallel stage are started, on one machine or on the nodes of a Slurm job."""

import socket
import sys
from collections.abc import Mapping

from pipeline.errors import UserError

FIRST_PORT, PORTS = 20_000, 10_000
"""Where the nodes of a job meet: below the ports that Linux gives away by itself."""
DEAF = ("sh", "-c", 'trap "" USR1; exec "$@"', "sh")
"""srun hands SIGUSR1 to all processes of a node: the ranks hear it, and torchrun would die of it."""


def torchrun_command(processes: int, nodes: int, environment: Mapping[str, str]) -> list[str]:
    """Return the command that starts so many processes on this machine, or on as many nodes of this Slurm job.

    torchrun on CPU too: `accelerate launch --cpu --num_processes 2` silently starts one process. Raises UserError for
    several nodes outside of a job.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={processes // nodes}"]
    if nodes == 1:
        # It is to handle no signal but SIGQUIT: of others it would give the ranks 30 seconds to save, and of SIGUSR1 it
        # would die.
        return [*torchrun, "--standalone", "--signals-to-handle=SIGQUIT"]
    job = environment.get("SLURM_JOB_ID")
    if job is None:
        raise UserError(f"cluster.slurm.nodes={nodes}, but this is no Slurm job; start it with cluster=slurm")
    # srun does not take over the job's cores by itself (Slurm 22.05 and later).
    cores = f"--cpus-per-task={environment.get('SLURM_CPUS_PER_TASK', '1')}"
    srun = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", cores, "--kill-on-bad-exit=1"]
    meeting = f"{socket.gethostname()}:{FIRST_PORT + int(job) % PORTS}"
    together = [f"--nnodes={nodes}", f"--rdzv_id={job}", "--rdzv_backend=c10d", f"--rdzv_endpoint={meeting}"]
    return [*srun, *DEAF, *torchrun, *together]
