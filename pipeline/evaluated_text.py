"""The text that a config evaluates on, and which training text must therefore not hold it."""

from typing import TYPE_CHECKING, Literal

from stages.answer_questions.settings import FileQuestionAnswering, QuestionSet
from stages.evaluate_translation.settings import LineSetSettings
from stages.shared.duplicates.settings import BenchmarkFile, DecontaminationSettings

if TYPE_CHECKING:
    from pipeline.settings import Config


Side = Literal["source", "target"]


def evaluated_text(config: "Config", side: Side) -> dict[str, BenchmarkFile]:
    """Return one side of the files on which translations and answers are measured, by the set's key."""
    if not config.translates:
        return {}
    asked = config.question_answering
    sets: dict[str, LineSetSettings | QuestionSet] = {
        f"translation_scoring.{name}": given for name, given in config.translation_scoring.sets.items()
    }
    if isinstance(asked, FileQuestionAnswering):
        sets |= {f"question_answering.{name}": given for name, given in asked.sets.items()}
    texts = {name: given.source_text if side == "source" else given.target_text for name, given in sets.items()}
    return {name: text for name, text in texts.items() if text is not None}


def out_of_training(config: "Config", side: Side) -> DecontaminationSettings:
    """Return the benchmarks that no training text of the source or the target language, or no pair's side may hold.

    The other domain that mappings are compared on is among them: a mapping that learns from pairs must not have seen
    what the others have not.
    """
    given, other = config.corpus.decontamination, config.leaderboard.other_domain
    domain = {} if other is None else {"other_domain": BenchmarkFile(path=other.path, sha256=other.sha256)}
    return given.model_copy(update={"benchmarks": given.benchmarks | evaluated_text(config, side) | domain})
