import pytest
from tuning_case import SFT, make_data, make_model, run_case


@pytest.fixture(scope="session")
def case(tmp_path_factory):
    """Return a chat model, conversations, and preferences."""
    folder = tmp_path_factory.mktemp("tuning")
    instructions = make_data(folder / "instructions", preferences=False)
    preferences = make_data(folder / "preferences", preferences=True)
    return {"model": make_model(folder / "model"), "instructions": instructions, "preferences": preferences}


@pytest.fixture(scope="session")
def sft_inputs(case):
    return {"model": case["model"], "data": case["instructions"], "instructions": case["instructions"]}


@pytest.fixture(scope="session")
def instruct(sft_inputs, tmp_path_factory):
    """Return the folder and the metrics of a finished SFT."""
    out = tmp_path_factory.mktemp("instruct") / "out"
    return out, run_case(sft_inputs, out, SFT)
