"""The finished smoke run that several tests look at, and which tests go together where they run side by side."""

import signal

import pytest
from hypothesis import settings
from smoke_chain import run, without_network

settings.register_profile("busy", deadline=None)  # a shared machine may keep any example waiting for a second
settings.load_profile("busy")

# Where the tests run in the background, a shell has them ignore Ctrl-C, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _heed_the_scheduler():
    """Let a process hear SIGUSR1 again: a training that it stopped ignores it to the end of its process."""
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items):
    """Keep the tests of one file in one process, and all that need the finished run in one, which begins first."""
    items.sort(key=lambda item: "finished" not in item.fixturenames)
    for item in items:
        together = "finished" if "finished" in item.fixturenames else str(item.path)
        item.add_marker(pytest.mark.xdist_group(together))


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    artifacts = tmp_path_factory.mktemp("first")
    done = run(artifacts, prefix=without_network())
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
    return artifacts, done


@pytest.fixture
def fresh_accelerator():
    """Let this process train in another precision than before, and forget it after: Accelerate keeps the first one."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
