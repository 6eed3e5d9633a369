"""What the text of a training costs before it is there: the corpus that holds it, and its tokens, packed."""

from pipeline.cards import ResolvedCard
from pipeline.ingest_disk import TEXT_DISK, ingested_bytes, is_unsized
from pipeline.plan import Step
from pipeline.settings import Config
from stages.pack_tokens.settings import PackTokensSettings
from stages.shared.token_shard import token_dtype

BYTES_PER_TOKEN = {"source": 2.5, "target": 4.5}
"""UTF-8 bytes; source: a language that its tokenizer does not know."""
COPIED_TOKENS_PER_SECOND = 50_000_000
"""From packed text into a mixture, document by document: of 300 tokens each, 270,000 of them in a second."""
PACKING = ("pack_tokens", "mix_tokens")
"""Stages that write tokens."""


def packed_tokens(step: Step, config: Config) -> int:
    """Return the training tokens that a step packs or mixes: as they are once it is finished, else as they are wanted.

    Text that is packed to match another one has as many more tokens as the source tokenizer needs for it.
    """
    if step.finished:
        tokens: int = step.metrics()["tokens"]
        return tokens
    if step.stage.name == "mix_tokens":
        return sum(packed_tokens(step.inputs[name], config) for name in ("tokens", "replay"))
    assert isinstance(step.settings, PackTokensSettings)
    return round(step.settings.tokens * (config.planning.source_token_ratio if "match" in step.inputs else 1.0))


def packed_bytes(step: Step, config: Config) -> int:
    """Return the bytes of the training tokens that a step writes."""
    packed = step if step.stage.name == "pack_tokens" else step.inputs["tokens"]
    of_base = packed.inputs["tokenizer"].stage.name == "fetch_base_model"
    vocabulary = config.base_model.vocabulary_size if of_base else config.tokenizer.vocabulary_size
    return packed_tokens(step, config) * token_dtype(vocabulary).itemsize


def packing_seconds(step: Step, config: Config) -> float:
    """Return how long a step tokenizes, or copies where it mixes what is tokenized."""
    mixed = step.stage.name == "mix_tokens"
    return packed_tokens(step, config) / (COPIED_TOKENS_PER_SECOND if mixed else config.planning.packed_tokens_per_s)


def corpus_text(step: Step, cards: tuple[ResolvedCard, ...], config: Config) -> int:
    """Return the bytes of a corpus' text: of cards whose size is known, and at least what the training reads.

    The latter where the size of one is unknown; packages, which are small, count as nothing.
    """
    known = round(sum(map(ingested_bytes, cards)) / TEXT_DISK)
    return max(known, _read_text(step, config)) if any(map(is_unsized, cards)) else known


def corpus_seconds(text: int, config: Config) -> float:
    """Return how long so many bytes of text take to ingest, in this cluster's processes or jobs."""
    cluster = config.cluster
    workers = cluster.array.parallel if cluster.array else config.execution().workers
    return text / (config.planning.ingested_bytes_per_s * workers)


def _read_text(step: Step, config: Config) -> int:
    """Return the bytes of a corpus that the training's tokens stand for, were each document read once."""
    replayed = step.name == "replay_corpus"
    share = config.replay.share if replayed else 1 - config.replay.share
    # The base model's tokenizer does not know the new language, and the new tokenizer not the base model's.
    foreign = config.mapping.keeps_tokenizer != replayed
    return round(share * config.training.tokens * BYTES_PER_TOKEN["source" if foreign else "target"])
