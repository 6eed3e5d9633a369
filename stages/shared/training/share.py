"""How the processes of a training share a global batch; known before anything runs, so without torch."""

from dataclasses import dataclass

from pipeline.errors import UserError


@dataclass(frozen=True)
class Share:
    """Which blocks of a global batch one process takes, and how many at a time."""

    global_batch: int
    micro_batch: int
    rank: int
    ranks: int

    @property
    def accumulation(self) -> int:
        """Return the micro-batches of an optimizer step whose global batch is full."""
        return self.global_batch // (self.ranks * self.micro_batch)

    def rows(self, step: int, available: int) -> list[list[int]]:
        """Return the block numbers of each micro-batch of this process in an optimizer step (from 0).

        Only the last step may lack blocks; a process that has fewer than the first one gets rows past the end, so
        that all processes take part in each exchange of weights and gradients.
        """
        first = step * self.global_batch
        end = min(first + self.global_batch, available)
        most = len(range(first, end, self.ranks))
        mine = list(range(first + self.rank, end, self.ranks))
        mine += [available] * (most - len(mine))
        return [mine[place : place + self.micro_batch] for place in range(0, most, self.micro_batch)]


def make_share(
    global_batch: int, micro_batch: int, rank: int, ranks: int, section: str = "training", rows: str = "sequences"
) -> Share:
    """Check that global batch = micro-batch x accumulation x processes.

    A micro-batch larger than a process' part is cut to it. Raises UserError where the numbers do not go together, in
    which `section` is where the configuration has the global batch, and `rows` what it is made of.
    """
    if global_batch % ranks:
        raise UserError(
            f"{section}.global_batch={global_batch} cannot be shared by {ranks} processes: choose a multiple of {ranks}"
        )
    part = global_batch // ranks
    micro_batch = min(micro_batch, part)
    if part % micro_batch:
        raise UserError(
            f"cluster.micro_batch={micro_batch} does not divide the {part} {rows} that each of {ranks} processes "
            f"has of {section}.global_batch={global_batch}; allowed are "
            + ", ".join(str(size) for size in range(1, part + 1) if part % size == 0)
        )
    return Share(global_batch, micro_batch, rank, ranks)
