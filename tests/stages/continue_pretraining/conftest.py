import pytest
from training_case import make_model, make_tokens


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("training") / "model")


@pytest.fixture(scope="session")
def tiny_tokens(tmp_path_factory):
    return make_tokens(tmp_path_factory.mktemp("training") / "tokens")
