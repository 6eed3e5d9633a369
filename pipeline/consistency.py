"""What the sections of a configuration say about each other: each may be right and all together wrong."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.machine_settings import ONE_GPU
from pipeline.plan import SHARED
from pipeline.registry import unknown
from stages.answer_questions.settings import NoQuestionAnswering
from stages.build_hydra.settings import HydraHeads
from stages.fetch_base_model.settings import FolderModelSource
from stages.ingest_dictionary.settings import CardDictionary
from stages.map_embeddings.methods import NEEDS
from stages.merge_models.settings import LateMerging
from stages.shared.training.devices import EIGHT_BIT_ON_CPU, against_flash_attention, without_flash_attention
from stages.shared.training.plain_head import rescaled_logits
from stages.shared.training.settings import AdamW8bit
from stages.shared.translation.settings import FuzzyRepair

if TYPE_CHECKING:
    from pipeline.settings import Config

RESERVED = (SHARED, "downloads")  # folders that stand where the languages' do


def contradictions(config: "Config") -> Iterator[str]:
    """Yield what does not go together, each with its remedy."""
    yield from _language_problems(config)
    yield from _card_problems(config)
    yield from _cluster_problems(config)
    yield from _training_problems(config)
    yield from _encoder_problems(config)
    yield from _head_problems(config)
    yield from _merging_problems(config)
    yield from _tuning_problems(config)
    yield from _repair_problems(config)


def _language_problems(config: "Config") -> Iterator[str]:
    language = config.language
    if language.name in RESERVED:
        yield f"language.name={language.name!r} is taken by a folder beside the languages'; choose another name"
    if language.code == language.source_code:
        yield (
            f"language.source_code={language.source_code!r} is the target language's own code; it is that of the "
            "base model's language"
        )
    replayed = config.replay.language
    if config.replay.share and replayed and replayed.code != language.source_code:
        yield (
            f"replay.language.code={replayed.code!r} is not the base model's language, "
            f"language.source_code={language.source_code!r}; that is the one to replay"
        )
    if isinstance(config.heads, HydraHeads) and language.code in config.heads.source_languages:
        yield (
            f"heads.source_languages.{language.code}: '{language.code}' is the target language itself, which has a "
            "vocabulary of its own; name what the base model reads"
        )
    for code in config.pivots.cards:
        if code in (language.code, language.source_code):
            whose = "target" if code == language.code else "source"
            yield f"pivots.cards.{code}: '{code}' is the {whose} language itself; a pivot is another one"


def _cluster_problems(config: "Config") -> Iterator[str]:
    if config.cluster.name == ONE_GPU and config.cluster.processes > 1:
        yield (
            f"cluster=one_gpu is one GPU, but cluster.processes={config.cluster.processes} (from the experiment, where "
            "you gave none); give cluster.processes=1 as well, or cluster=multi_gpu"
        )
    if config.cluster.gpu is not None and config.cluster.gpu not in config.planning.gpus:
        yield unknown("GPU (cluster.gpu)", config.cluster.gpu, list(config.planning.gpus))


def _card_problems(config: "Config") -> Iterator[str]:
    if not config.corpus.cards:
        yield "corpus.cards=[]: a corpus needs at least one data card; name files of data_cards/"
    if config.mapping.needs_alignment and not config.bitext.cards and config.alignment.method != "table":
        yield (
            "an aligner needs bitext: name data cards in bitext.cards, or give alignment=table, or choose a "
            "mapping that needs no alignment: mapping=subtoken_mean"
        )
    if config.mapping.needs_alignment and config.pivots.cards and config.alignment.method == "table":
        yield (
            "pivots.cards: bitext of further languages needs an aligner, and alignment=table has none; choose one, "
            "or pivots=none"
        )
    if config.translates and not config.bitext.cards:
        yield (
            "heads=hydra: translation is tuned and measured on bitext: name data cards in bitext.cards, or choose "
            "heads=none"
        )
    if not config.translates and not isinstance(config.question_answering, NoQuestionAnswering):
        yield (
            "question_answering: prompts in two vocabularies need a Hydra model: give heads=hydra too, or "
            "question_answering=none"
        )
    if "source_vectors" in config.mapping.needs and not config.bitext.cards:
        yield (
            f"mapping={config.mapping.method} trains vectors on the source side of bitext: name data cards in "
            "bitext.cards, or choose a mapping that needs none: mapping=focus"
        )
    if config.mapping.keeps_tokenizer and config.calibration.method != "none":
        yield "calibration: mapping=keep maps no rows that could be calibrated; give calibration=none"
    none = isinstance(config.dictionary, CardDictionary) and not config.dictionary.cards
    if "dictionary" in config.mapping.needs and none:
        need = NEEDS["dictionary"]
        yield f"init method '{config.mapping.method}' needs {need.what}: {need.remedy}"


def _training_problems(config: "Config") -> Iterator[str]:
    training, model, cluster = config.training, config.base_model, config.cluster
    if model.max_positions is not None and training.sequence_length > model.max_positions:
        yield (
            f"training.sequence_length={training.sequence_length} is more than the {model.max_positions} positions of "
            f"{model.name}; give at most {model.max_positions}"
        )
    for phase in training.phases:
        if phase.outer_layers > model.layers:
            yield (
                f"training.phases: phase '{phase.name}' trains {phase.train} layers, and {model.name} has "
                f"{model.layers}; give at most so many in all, or `train: all`"
            )
    if isinstance(training.optimizer, AdamW8bit) and cluster.device == "cpu":
        yield EIGHT_BIT_ON_CPU
    against = against_flash_attention(cluster.device, training.precision)
    if cluster.attention_kernel == "flash_attention_2" and against:
        yield without_flash_attention(against)


def _encoder_problems(config: "Config") -> Iterator[str]:
    masked, model = config.training.objective == "masked", config.base_model
    if masked and not model.encoder:
        yield (
            f"training.objective=masked: {model.name} is a decoder; give training.objective=causal, or an encoder, for "
            "example base_model=robbert_v2"
        )
    if not masked and model.encoder:
        yield f"base_model: {model.name} is an encoder; give training.objective=masked too, or a decoder"
    if masked and config.translates:
        yield (
            "heads=hydra: a model trained with training.objective=masked writes no text; give "
            "heads=none, or a decoder and training.objective=causal"
        )


def _head_problems(config: "Config") -> Iterator[str]:
    source = config.base_model.source
    described = source.path / "config.json" if isinstance(source, FolderModelSource) else None
    if described is None or not described.is_file():
        return
    values = json.loads(described.read_text(encoding="utf-8"))
    if changed := rescaled_logits(values.get("text_config", values)):
        yield (
            f"base_model: {config.base_model.name} changes its logits ({', '.join(changed)}), which training does not "
            "do yet; choose a base model without, such as Llama or Mistral"
        )


def _merging_problems(config: "Config") -> Iterator[str]:
    if not isinstance(config.merging, LateMerging):
        return
    if len(config.pivots.cards) != 1 or not config.mapping.needs_alignment:
        yield (
            f"merging=late merges two models, that of the bitext and that of one pivot language; there are "
            f"{len(config.pivots.cards)} (pivots.cards), and mapping={config.mapping.method}: give pivots=packaged, or "
            "pivots.cards of one language, and a mapping that needs an alignment; or merging=none"
        )
    if config.training.objective == "masked":
        yield "merging=late is not there for encoders, whose evaluation is not; give merging=none"


def _tuning_problems(config: "Config") -> Iterator[str]:
    sft, dpo, given = config.tuning.sft, config.tuning.dpo, config.instructions
    if dpo and not sft:
        yield "tuning.dpo needs the model of tuning.sft, its reference: give that too, or choose tuning=sft_dpo"
    if sft and not given.cards:
        yield ("tuning.sft needs conversations: choose instructions=packaged, or name data cards in instructions.cards")
    if dpo and not given.preference_cards:
        yield (
            "tuning.dpo needs preferences: choose instructions=packaged, or name data cards in "
            "instructions.preference_cards"
        )


def _repair_problems(config: "Config") -> Iterator[str]:
    backft, none = "hydra_backft", config.back_translation.method == "none"
    for name, method in (("repair", config.repair.method), ("back_translation", config.back_translation.method)):
        if method != "none" and not config.translates:
            yield f"{name}={method}: without a Hydra model nothing is translated; give heads=hydra too, or {name}=none"
    if isinstance(config.repair, FuzzyRepair) and set(config.repair.systems) == {backft} and none:
        yield (
            f"repair.systems=[{backft}]: no such system is tuned with back_translation=none; choose another "
            "back_translation, or repair.systems=[hydra_parft]"
        )
