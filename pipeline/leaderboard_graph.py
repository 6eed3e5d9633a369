"""THE LEADERBOARD ON ONE SCREEN: every mapping from the same data, probed on the same text, compared at the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.card_lock import Lock
from pipeline.mapping_graph import plan_data, plan_mapping
from pipeline.plan import Planner, Step
from pipeline.settings import Config
from pipeline.stage_catalogue import COMPARE_INITIALIZATIONS, INGEST_BITEXT, PACK_TOKENS, PROBE_INITIALIZATION
from stages.compare_initializations.settings import Rival

FINETUNED = "source_finetuned"


@dataclass(frozen=True)
class Entrants:
    """Who takes part."""

    rivals: Mapping[str, Config]
    """For each mapping preset the config with that mapping."""
    seeds: Mapping[str, tuple[int, ...]]
    """For each row the orders of the text that it is trained in, the config's first seed among them."""
    default: str
    """The preset that the config itself has."""
    left_out: Mapping[str, str]
    """Why a preset that was asked for cannot take part."""


def leaderboard(config: Config, lock: Lock, taking_part: Entrants) -> list[Step]:
    """Plan the comparison; the last step is the leaderboard."""
    plan = _planner(config)
    base_model, corpus, tokenizer = plan_data(plan, config, lock)
    models: dict[str, Step] = {}
    evidence: dict[str, dict[str, Step]] = {}
    for name, rival in taking_part.rivals.items():
        own = _planner(rival)
        data = {"corpus": corpus, "base_model": base_model, "tokenizer": tokenizer}
        models[f"model_{name}"], found = plan_mapping(own, rival, lock, data, f"model_{name}")
        evidence[name] = {f"{kind}_{name}": step for kind, step in found.items() if step.stage is not INGEST_BITEXT}
        plan.steps += own.steps
    probes: dict[str, Step] = {}
    for name, seeds in taking_part.seeds.items():
        for seed in seeds:
            tokens = plan_text(plan, config, seed, {"corpus": corpus, "tokenizer": tokenizer})
            probed = {"model": models.get(f"model_{name}", base_model), "tokens": tokens, "corpus": corpus}
            if name == FINETUNED:
                same = {"corpus": corpus, "tokenizer": base_model, "match": tokens}
                probed |= {"tokens": plan_text(plan, config, seed, same), "match": tokens}
            if first := probes.get(f"probe_{name}_{config.leaderboard.seeds[0]}"):
                probed["chosen"] = first
            probes[f"probe_{name}_{seed}"] = plan_probe(plan, config, name, seed, probed)
    rivals = [
        Rival(name=name, seeds=seeds, made_by=made_by(taking_part, name), evidence=tuple(evidence.get(name, {})))
        for name, seeds in taking_part.seeds.items()
    ]
    plan.step(
        COMPARE_INITIALIZATIONS,
        inputs={**probes, **models, **{key: step for found in evidence.values() for key, step in found.items()}},
        language_name=config.language.name,
        base_model_name=config.base_model.name,
        mode=config.leaderboard.probe.mode,
        default=taking_part.default,
        rivals=tuple(rivals),
        left_out=dict(taking_part.left_out),
        comparison=config.leaderboard.comparison,
    )
    return plan.steps


def made_by(taking_part: Entrants, name: str) -> str | None:
    """Return in words what a mapping's rows come from, None for a baseline."""
    if name not in taking_part.rivals:
        return None
    rival = taking_part.rivals[name]
    further = f" with {' and '.join(sorted(rival.pivots.cards))} too" if rival.pivots.cards else ""
    aligner = [f"aligned by {rival.alignment.method}{further}"] if rival.mapping.needs_alignment else []
    shifted = [] if rival.calibration.method == "none" else [f"{rival.calibration.method} calibration"]
    warmed = [] if rival.mapping.warmup == "none" else [f"{rival.mapping.warmup} warm-up"]
    return ", ".join([rival.mapping.method, *aligner, *shifted, *warmed])


def _planner(config: Config) -> Planner:
    return Planner(config.sections(), config.artifacts, config.language.name)


def plan_text(plan: Planner, config: Config, seed: int, inputs: Mapping[str, Step]) -> Step:
    """Plan the packed text of one seed; with `match` the same text for another tokenizer."""
    probe = config.leaderboard.probe
    name = f"{'source_' if 'match' in inputs else ''}tokens_{seed}"
    length = probe.step_tokens // probe.sequences
    return plan.step(PACK_TOKENS, name, inputs=inputs, tokens=probe.tokens, sequence_length=length, seed=seed)


def plan_probe(plan: Planner, config: Config, name: str, seed: int, inputs: Mapping[str, Step]) -> Step:
    """Plan one probe; all but the first seed's are given that one as `chosen`, whose learning rate they take over."""
    settings: dict[str, Any] = {
        "probe": config.leaderboard.probe,
        "seed": seed,
        "other_domain": config.leaderboard.other_domain,
    }
    return plan.step(PROBE_INITIALIZATION, f"probe_{name}_{seed}", inputs=inputs, **settings)
