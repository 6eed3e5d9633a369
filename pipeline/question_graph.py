"""How questions in the new language on texts in the base model's are answered."""

from collections.abc import Mapping

from pipeline.plan import Planner, Step
from pipeline.settings import Config
from pipeline.stage_catalogue import ANSWER_QUESTIONS
from stages.answer_questions.settings import MODELS, NoQuestionAnswering
from stages.shared.translation.settings import Languages


def plan_questions(plan: Planner, config: Config, languages: Languages, made: Mapping[str, Step]) -> dict[str, Step]:
    """Plan what is asked of each model among `made`, with its `corpus` and `bitext`; nothing where nothing is asked."""
    if isinstance(config.question_answering, NoQuestionAnswering):
        return {}
    systems = tuple(name for name in MODELS if f"{name}_model" in made)
    inputs = {f"system_{name}": made[f"{name}_model"] for name in systems}
    trained_on = {name: made[name] for name in ("corpus", "bitext")}
    answers = plan.step(ANSWER_QUESTIONS, inputs={**inputs, **trained_on}, languages=languages, systems=systems)
    return {"question_answering": answers}
