"""What a tuned model's folder takes over from the model that it was tuned from."""

from stages.continue_pretraining.journal import FILES
from stages.tune_instructions.model_out import NOT_CARRIED


def test_what_was_written_down_of_the_training_before_stays_with_it():
    assert set(FILES) <= set(NOT_CARRIED)
