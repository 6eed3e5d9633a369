"""The one finished smoke run that several tests look at, and the helpers beside this file for all of them."""

import pytest
from smoke_chain import run, without_network


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    artifacts = tmp_path_factory.mktemp("first")
    done = run(artifacts, prefix=without_network())
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
    return artifacts, done
