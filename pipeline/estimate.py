"""What a plan costs: seconds, disk and training tokens, roughly, before anything runs."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import store
from pipeline.cards import ResolvedCard
from pipeline.errors import UserError
from pipeline.ingest_disk import TEXT_DISK, fetched_bytes, ingested_bytes
from pipeline.plan import Step
from pipeline.roofline import WEIGHT_BYTES, checkpoint_bytes
from pipeline.settings import Config
from pipeline.text_cost import (
    BYTES_PER_TOKEN,
    PACKING,
    corpus_seconds,
    corpus_text,
    packed_bytes,
    packed_tokens,
    packing_seconds,
)
from pipeline.training_plan import TrainingPlan, plan_training, planned_rate
from pipeline.translation_cost import back_translation_tokens, prompted_line, translator_parameters
from pipeline.tuning_plan import TuningPlan, has_reference, plan_instructions, tuning_tokens

# Seconds and megabytes seen for the default Dutch run on two cores, for steps that a machine has not made yet.
USUAL = {
    "fetch_base_model": (40, 0),
    "ingest_corpus": (60, 20),
    "describe_corpus": (5, 1),
    "ingest_bitext": (60, 20),
    "ingest_dictionary": (10, 2),
    "train_tokenizer": (15, 2),
    "align_tokens": (60, 30),
    "train_vectors": (120, 60),
    "map_embeddings": (10, 5),
    "pack_tokens": (5, 1),
    "mix_tokens": (1, 1),
    "sample_held_out": (1, 1),
    "continue_pretraining": (20, 1),
    "ingest_instructions": (10, 1),
    "tune_instructions": (60, 1),
    "build_hydra": (10, 5),
    "fetch_translator": (10, 0),
    "back_translate": (30, 1),
    "tune_translation": (20, 1),
    "evaluate_translation": (30, 1),
    "answer_questions": (30, 1),
    "merge_models": (5, 1),
    "evaluate_model": (15, 1),
    "probe_initialization": (60, 1),
    "compare_initializations": (10, 1),
    "compare_training": (10, 1),
    "write_report": (10, 2),
}
MODEL_FOLDERS = {
    "fetch_base_model": 1,
    "map_embeddings": 1,
    "continue_pretraining": 1,
    "tune_instructions": 1,
    "build_hydra": 1,
    "tune_translation": 1,
    "merge_models": 1,
}
TRAININGS = ("continue_pretraining", "tune_instructions")
TEXTS = ("ingest_corpus", *PACKING)
TRAINING, TRAINING_EMBEDDINGS, FORWARD = 6, 4, 2  # floating-point operations a parameter and token (Kaplan et al. 2020)
FLOAT32_BYTES = 4  # of a weight as translation models are published
FETCHED_BYTES_PER_SECOND = 6_000_000  # a Marian model, 300 MB, in about a minute


@dataclass(frozen=True)
class Estimate:
    """Cost of one step; `tokens` are trained or scored ones."""

    seconds: float
    disk_bytes: int
    tokens: int
    passing_bytes: int = 0
    """Of the disk: what goes when the step ends."""


def estimate(step: Step, config: Config) -> Estimate:
    """Return what one unfinished step will cost, from the machine's own earlier runs where there are some."""
    seconds, megabytes = USUAL[step.stage.name]
    speed = _speed(step, config)
    disk = megabytes * 1_000_000 + MODEL_FOLDERS.get(step.stage.name, 0) * config.base_model.disk_bytes
    if step.stage.name in TEXTS:
        return _text_cost(step, config, seconds, disk)
    disk += sum(ingested_bytes(card) for card in _cards(step))
    if step.stage.name in TRAININGS:
        return _training_cost(step, config, seconds, disk)
    if step.stage.name == "probe_initialization":
        tokens = probe_tokens(step, config)
        return Estimate(seconds + tokens * TRAINING_EMBEDDINGS / speed, disk, tokens)
    if step.stage.name == "evaluate_model":
        kind = "source" if step.name in ("evaluation_source", "evaluation_source_finetuned") else "target"
        tokens = round(config.evaluation.scoring.bytes / BYTES_PER_TOKEN[kind])
        return Estimate(seconds + tokens * FORWARD / speed, disk, tokens)
    if step.stage.name == "map_embeddings" and "distillation" in step.recipe["settings"]:
        # The source model reads the same text in its own tokens.
        tokens = config.distillation.tokens
        cost = TRAINING_EMBEDDINGS + FORWARD * config.planning.source_token_ratio
        return Estimate(seconds + tokens * cost / speed, disk, tokens)
    if step.stage.name == "tune_translation":
        tokens = config.parallel_tuning.tokens
        return Estimate(seconds + tokens * TRAINING / speed, disk, tokens)
    if step.stage.name == "evaluate_translation":
        lines = (
            config.translation_scoring.lines
            * len(config.translation_scoring.sets)
            * len(step.recipe["settings"]["systems"])
        )
        return Estimate(_seconds_before(step) or seconds + lines * prompted_line(config) * FORWARD / speed, disk, 0)
    if step.stage.name in ("fetch_translator", "back_translate"):
        return _back_translation_cost(step, config, seconds, disk)
    return Estimate(_seconds_before(step) or seconds, disk, 0)


def _text_cost(step: Step, config: Config, seconds: float, disk: int) -> Estimate:
    """Return what it costs to ingest a training's text, or to pack it."""
    if step.stage.name in PACKING:
        packed = packed_bytes(step, config)
        scratch = packed if step.stage.name == "pack_tokens" else 0  # a second copy, in the order of the corpus
        return Estimate(seconds + packing_seconds(step, config), disk + packed + scratch, 0, scratch)
    text = corpus_text(step, _cards(step), config)
    seconds = seconds + corpus_seconds(text, config) if text else _seconds_before(step) or seconds
    return Estimate(seconds, disk + round(TEXT_DISK * text), 0)


def _training_cost(step: Step, config: Config, seconds: float, disk: int) -> Estimate:
    """Return what a training or an instruction tuning costs, with its checkpoints."""
    checkpoints = _checkpoint_bytes(step, config)
    if step.stage.name == "tune_instructions":
        tokens, cost = tuning_cost(step, config)
        seconds += tokens * cost / _speed(step, config)
    else:
        tokens = packed_tokens(step.inputs["tokens"], config)
        seconds += tokens / _rate(step, config)
    return Estimate(seconds, disk + checkpoints, tokens, checkpoints)


def _back_translation_cost(step: Step, config: Config, seconds: float, disk: int) -> Estimate:
    """Return what fetching a translator or translating with one costs, where a model translates."""
    parameters = translator_parameters(config)
    if step.stage.name == "fetch_translator":
        disk += FLOAT32_BYTES * parameters
        seconds += disk / FETCHED_BYTES_PER_SECOND
    else:
        seconds += back_translation_tokens(config) * FORWARD / _speed(step, config, parameters)
    return Estimate(_seconds_before(step) or seconds, disk, 0)


def tuning_cost(step: Step, config: Config) -> tuple[int, float]:
    """Return the tokens of a tuning, and the operations a parameter and token; DPO's are read by its reference too."""
    return tuning_tokens(step, config), TRAINING + (FORWARD if has_reference(step) else 0)


def probe_tokens(step: Step, config: Config) -> int:
    """Return the tokens that a probe trains on: all steps once, and the selection's again for each rate that loses."""
    probe = config.leaderboard.probe
    losers = 0 if "chosen" in step.inputs else len(probe.learning_rates) - 1
    early = probe.selection_steps[:-1][:losers]
    again = sum(early) + probe.selection_steps[-1] * (losers - len(early))
    ratio = config.planning.source_token_ratio if "match" in step.inputs["tokens"].inputs else 1.0
    return round((probe.steps + again) * probe.step_tokens * ratio)


def _rate(step: Step, config: Config) -> float:
    """Return training tokens a second: as measured by the newest such training here, else planned for the cluster."""
    measured = [
        manifest["metrics"].get("tokens_per_s")
        for manifest in _manifests(step.folder.parent.parent, step.stage.makes)
        if manifest["metrics"].get("device") == config.cluster.device
        and manifest["recipe"]["settings"] == step.recipe["settings"]
    ]
    newest = next((rate for rate in reversed(measured) if rate), None)
    return newest or planned_rate(step, config) or _speed(step, config) / TRAINING


def _speed(step: Step, config: Config, parameters: int | None = None) -> float:
    """Return how often a second the step's processes could multiply so many parameters, else the base model's."""
    processes = config.cluster.processes if step.stage.parallel else 1
    return processes * config.cluster.flops_per_second / (parameters or config.base_model.parameters)


def _seconds_before(step: Step) -> float | None:
    """Return how long the newest artifact of this kind took for this language."""
    manifests = [
        manifest for manifest in _manifests(step.folder.parent, step.stage.makes) if manifest["name"] == step.name
    ]
    return manifests[-1]["seconds"] if manifests else None


def _manifests(folder: Path, makes: str) -> list[dict]:
    paths = [*folder.glob(f"{makes}-*/{store.MANIFEST}"), *folder.glob(f"*/{makes}-*/{store.MANIFEST}")]
    manifests = [manifest for path in paths if (manifest := store.read_manifest(path.parent))]
    return sorted(manifests, key=lambda manifest: manifest["started"])


def check_disk(steps: Sequence[tuple[Step, Config]]) -> tuple[int, int]:
    """Return bytes needed and bytes free for the artifact folder; raise UserError where they cannot suffice.

    Downloads count where they are on the same disk, and else are held against their own. Each step comes with a config
    that it is planned for.
    """
    costs = [estimate(step, config) for step, config in steps if not step.finished]
    passing = [cost.passing_bytes for cost in costs]
    # What goes when its step ends, such as a training's checkpoints, is on the disk with that of no other step.
    needed = sum(cost.disk_bytes for cost in costs) - sum(passing) + max(passing, default=0)
    artifacts, downloads = steps[0][1].artifacts, steps[0][1].execution().downloads
    cards = {(card.name, card.languages): card for step, _ in steps if not step.finished for card in _cards(step)}
    fetched = sum(fetched_bytes(card, downloads) for card in cards.values())
    if existing(artifacts).stat().st_dev == existing(downloads).stat().st_dev:
        return needed + fetched, _check_free(needed + fetched, artifacts, "artifacts")
    _check_free(fetched, downloads, "downloads")
    return needed, _check_free(needed, artifacts, "artifacts")


def _check_free(needed: int, folder: Path, key: str) -> int:
    """Return the bytes that are free for a folder; raise UserError where more are needed."""
    free = shutil.disk_usage(existing(folder)).free
    if needed > free:
        raise UserError(
            f"the run needs about {needed / 1e9:.1f} GB of disk, and {free / 1e9:.1f} GB are free under {folder}. "
            f"Free some (`make du`, `make gc APPLY=1`) or set machine.{key} in conf/local.yaml to a larger disk"
        )
    return free


def _cards(step: Step) -> tuple[ResolvedCard, ...]:
    """Return the data cards that a step reads, none where it reads no sources."""
    return getattr(step.settings, "cards", ())


def _checkpoint_bytes(step: Step, config: Config) -> int:
    if step.stage.name == "tune_instructions":
        return checkpoints_bytes(plan_instructions(step, config))
    return checkpoints_bytes(plan_training(step, config))


def checkpoints_bytes(plan: TrainingPlan | TuningPlan) -> int:
    """Return the disk of a training's checkpoints, whose float32 may be twice the model's own precision.

    There is one more while it is written, before the oldest goes.
    """
    each = checkpoint_bytes(plan.shape, plan.most, plan.facts.moments)
    if isinstance(plan, TuningPlan) and plan.sharded:  # transformers writes the weights twice
        each += WEIGHT_BYTES * plan.shape.parameters
    return plan.checkpoints * round(each)


def existing(path: Path) -> Path:
    """Return the path or its nearest parent that is there."""
    return path if path.exists() else existing(path.parent)
