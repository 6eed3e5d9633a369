"""What a training costs on a GPU, worked out before anything runs: operations, time, and memory.

Pure arithmetic over explicit facts; knows neither the configuration nor torch. A time is the longer of what computing
and what moving bytes takes (Williams et al. 2009, "Roofline"); the exchange between processes is not part of it.
"""

import re
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

WEIGHT_BYTES, GRADIENT_BYTES = 4, 4
"""Of a trained weight: both in float32."""
UPDATE_BYTES = 40
"""Moved for each trained weight by one update: norm 4, clipping 8, and AdamW, which reads 16 and writes 12."""
CHUNK_COPIES = 3
"""Of a chunk of logits at the same time: logits, their float32 form, the error in the matrices' precision."""
LORA, ADAPTERS = "lora", "adapters"
"""What a phase trains where adapters stand in the place of layers: tables and adapters, or these alone."""
OUTER = re.compile(r"(\d+)x(\d+)")


@dataclass(frozen=True)
class Gpu:
    """What a kind of GPU can do."""

    flops_per_second: float
    """Of dense matrices in the training's precision."""
    bytes_per_second: float
    """From its memory."""
    memory_bytes: float

    def reaching(self, utilisation: float) -> "Gpu":
        """Return it with the operations that matrix products reach, a share of all."""
        return replace(self, flops_per_second=self.flops_per_second * utilisation)


@dataclass(frozen=True)
class Shape:
    """What of a decoder decides its cost, in weights."""

    body: int
    """All but the tables."""
    table: int
    """Input table: vocabulary x hidden size."""
    own_head: int
    """Output head: the same; 0 where it is the input table."""
    hidden: int
    layers: int

    @property
    def tied(self) -> bool:
        """Is the output head the input table?"""
        return not self.own_head

    @property
    def head(self) -> int:
        """Weights of the output head, tied or not."""
        return self.own_head or self.table

    @property
    def tables(self) -> int:
        """Weights of input table and head."""
        return self.table + self.own_head

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.body + self.tables

    @property
    def multiplied(self) -> int:
        """Weights that each token is multiplied with: rows of the input table are only looked up."""
        return self.body + self.head

    def with_vocabulary(self, tokens: int) -> "Shape":
        """Return the shape with a vocabulary of another size."""
        table = tokens * self.hidden
        return replace(self, table=table, own_head=0 if self.tied else table)

    def with_vocabularies(self, read: int, written: int) -> "Shape":
        """Return the shape of a model that reads tokens of one vocabulary and writes those of another."""
        return replace(self, table=read * self.hidden, own_head=written * self.hidden)

    def trained(self, train: str) -> int:
        """Return the weights that a phase trains: `all`, `embeddings`, or these and outer layers as in `2x2`.

        `lora` counts as embeddings, and `adapters` as nothing: they are well under a hundredth of a body.
        """
        if train == ADAPTERS:
            return 0
        return self.tables + self.body * self.trained_layers(train) // self.layers

    def frozen(self, train: str) -> int:
        """Return the weights of the body that a phase leaves as they are, those beside adapters among them."""
        return self.body - max(0, self.trained(train) - self.tables)

    def trained_layers(self, train: str) -> int:
        """Return how many layers a phase trains."""
        outer = OUTER.fullmatch(train)
        some = int(outer[1]) + int(outer[2]) if outer else 0
        return self.layers if train == "all" else min(some, self.layers)


def make_shape(parameters: int, vocabulary: int, hidden: int, layers: int, tied: bool) -> Shape:
    """Return the shape of a model with so many weights in all.

    >>> make_shape(6_738_415_616, 32_000, 4_096, 32, tied=False).body
    6476271616
    """
    table = vocabulary * hidden
    own_head = 0 if tied else table
    return Shape(parameters - table - own_head, table, own_head, hidden, layers)


@dataclass(frozen=True)
class Batches:
    """How a training goes through its text."""

    sequence_length: int
    global_batch: int
    """Sequences in an optimizer step."""
    micro_batch: int
    """Sequences in one forward pass of a process."""
    processes: int

    @property
    def micro_steps(self) -> float:
        """Forward passes of a process in one optimizer step."""
        return self.global_batch * self.sequence_length / (self.processes * self.micro_tokens)

    @property
    def micro_tokens(self) -> int:
        """Tokens in one forward pass of a process; a micro-batch larger than its part is cut to it."""
        return min(self.micro_batch, self.part) * self.sequence_length

    @property
    def part(self) -> int:
        """Sequences of a process in one optimizer step."""
        return max(1, self.global_batch // self.processes)

    def smaller(self) -> list["Batches"]:
        """Return it as it is, where it can be, and with fewer sequences in a forward pass, the most first.

        >>> [batches.micro_batch for batches in Batches(64, global_batch=12, micro_batch=4, processes=1).smaller()]
        [4, 3, 2, 1]
        """
        now = min(self.micro_batch, self.part)
        sizes = [size for size in range(now, 0, -1) if self.part % size == 0]
        return [replace(self, micro_batch=self.micro_batch if size == now else size) for size in sizes]


@dataclass(frozen=True)
class Memory:
    """Bytes on each GPU."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    copies: float
    """Weights in the matrices' precision, or gathered from the other processes; gradients under way to these."""
    reference: float
    """Weights of a second model, which is only read."""
    reserved: float

    @property
    def total(self) -> float:
        """All of them."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class Moments:
    """Bytes of the optimizer for a trained weight."""

    body: float
    tables: float

    def total(self, shape: Shape, train: str) -> float:
        """Return the bytes for all weights that a phase trains."""
        trained = shape.trained(train)
        tables = min(trained, shape.tables)
        return self.tables * tables + self.body * (trained - tables)


@dataclass(frozen=True)
class MemoryFacts:
    """What was measured or is assumed of a training's memory."""

    moments: "Moments"
    compute_bytes: int
    """Of a number in the matrices' precision: 2 or 4."""
    activation_bytes: float
    """Kept for the backward pass of one layer, for each token and hidden unit."""
    frozen_activation_bytes: float
    """The same where the layer's weights are frozen, and so need nothing of what goes into them."""
    chunk_bytes: int
    """Float32 logits held at a time."""
    reserved_bytes: float
    """CUDA's own, and gaps between tensors."""
    reference: bool = False
    """Is the model that the training began with held beside it, in float32?"""


class Saving(NamedTuple):
    """What a training does to need less memory."""

    sharded: bool = False
    checkpointing: bool = False
    frozen_bytes: int = WEIGHT_BYTES
    """Of a weight of the body that no phase trains."""
    bucketed: bool = False
    """Do gradients lie in the buckets in which processes exchange them, and not beside these?"""


PLAIN = Saving()


def flops_per_token(shape: Shape, train: str, sequence_length: int, checkpointing: bool) -> float:
    """Return floating-point operations to train on one token.

    Six a weight (two forward, two for the gradient of what goes in, two for the weight's own, which a frozen weight
    spares) and 12 x layers x hidden x length for attention (PaLM, arXiv 2204.02311, appendix B: the causal mask's half
    is not taken off). Checkpointing computes the layers' forward pass twice.
    """
    trained = max(0, shape.trained(train) - shape.tables + shape.head)
    attention = 12 * shape.layers * shape.hidden * sequence_length
    again = 2 * shape.body + attention / 3 if checkpointing else 0
    return 4 * shape.multiplied + 2 * trained + attention + again


def reading_flops_per_token(shape: Shape, sequence_length: int) -> float:
    """Return floating-point operations of a forward pass alone, for each token."""
    return 2 * shape.multiplied + 4 * shape.layers * shape.hidden * sequence_length


def step_seconds(shape: Shape, train: str, batches: Batches, gpu: Gpu, saving: Saving = PLAIN) -> float:
    """Return the time of one optimizer step: its passes, limited by computing or by reading the weights; the update."""
    flops = flops_per_token(shape, train, batches.sequence_length, saving.checkpointing) * batches.micro_tokens
    frozen = shape.frozen(train)
    read = WEIGHT_BYTES * (shape.multiplied - frozen) + saving.frozen_bytes * frozen
    # Read forward and backward; gradients read and written.
    moved = 2 * read + 2 * GRADIENT_BYTES * shape.trained(train)
    micro_step = max(flops / gpu.flops_per_second, moved / gpu.bytes_per_second)
    return batches.micro_steps * micro_step + UPDATE_BYTES * shape.trained(train) / gpu.bytes_per_second


def reading_seconds(shape: Shape, batches: Batches, gpu: Gpu) -> float:
    """Return the time in which a model that is not trained reads what an optimizer step reads."""
    flops = reading_flops_per_token(shape, batches.sequence_length) * batches.micro_tokens
    moved = WEIGHT_BYTES * shape.multiplied
    return batches.micro_steps * max(flops / gpu.flops_per_second, moved / gpu.bytes_per_second)


def tokens_per_second(step: float, batches: Batches) -> float:
    """Return the tokens a second of all processes, given an optimizer step's seconds."""
    return batches.global_batch * batches.sequence_length / step


def memory(shape: Shape, train: str, batches: Batches, facts: MemoryFacts, saving: Saving = PLAIN) -> Memory:
    """Return the bytes on each GPU when a phase trains; `train` is the phase that trains most."""
    parts = batches.processes if saving.sharded else 1
    trained, frozen = shape.trained(train), shape.frozen(train)
    # An adapter's gradient needs what goes into its layer, as the layer's own would.
    layers = shape.layers if train in (LORA, ADAPTERS) else shape.trained_layers(train)
    kept = facts.activation_bytes * layers + facts.frozen_activation_bytes * (shape.layers - layers)
    if saving.checkpointing:  # what goes into each layer, in float32, and one layer whole
        kept = WEIGHT_BYTES * shape.layers + facts.activation_bytes
    unit = shape.body // shape.layers
    rounded = facts.compute_bytes if facts.compute_bytes < WEIGHT_BYTES else 0
    if saving.sharded:  # two layers are gathered at a time, the tables in float32, and the head is rounded for the loss
        copies = facts.compute_bytes * 2 * unit + WEIGHT_BYTES * shape.tables + rounded * shape.head
        copies += GRADIENT_BYTES * max(unit, shape.tables)  # not yet shared
    else:  # autocast keeps a copy of each matrix that is not held rounded until the backward pass is over
        copies = rounded * (shape.multiplied - (frozen if saving.frozen_bytes < WEIGHT_BYTES else 0))
        if batches.processes > 1 and not saving.bucketed:  # DistributedDataParallel's buckets
            copies += GRADIENT_BYTES * trained
    return Memory(
        weights=(WEIGHT_BYTES * (shape.parameters - frozen) + saving.frozen_bytes * frozen) / parts,
        gradients=GRADIENT_BYTES * trained / parts,
        optimizer=facts.moments.total(shape, train) / parts,
        activations=batches.micro_tokens * shape.hidden * kept,
        logits=CHUNK_COPIES * facts.chunk_bytes + GRADIENT_BYTES * min(shape.head, trained),
        copies=copies,
        reference=WEIGHT_BYTES * shape.parameters / parts if facts.reference else 0,
        reserved=facts.reserved_bytes,
    )


def checkpoint_bytes(shape: Shape, train: str, moments: Moments) -> float:
    """Return the size of one checkpoint: trained weights in float32, and the optimizer's moments."""
    return WEIGHT_BYTES * shape.trained(train) + moments.total(shape, train)
