import http.server
import json
import threading

import pytest

from pipeline.card_sources import (
    HubSource,
)
from pipeline.errors import UserError
from stages.shared.sources.fetch import fetch_source


def test_the_hub_out_of_reach_is_said_plainly(tmp_path, monkeypatch):
    from stages.shared.sources.hub import fetch_hub

    source = HubSource(kind="hub", id="a/b", revision="0" * 40, files=("*.txt",))
    with pytest.raises(UserError, match="cannot be reached"):
        fetch_hub(source, source.revision, tmp_path, endpoint="http://127.0.0.1:9")


def test_hub_files_that_are_there_are_not_asked_for_again(tmp_path, no_network):
    source = HubSource(kind="hub", id="a/b", revision="0" * 40, files=("nl/*.txt",))
    folder = tmp_path / "hub" / "dataset" / "a--b" / source.revision
    (folder / "nl").mkdir(parents=True)
    (folder / "nl" / "1.txt").write_text("een\n")
    listed = {"nl/1.txt": {"size": 4, "sha256": None}, "de/1.txt": {"size": 9, "sha256": None}}
    (folder / "files.json").write_text(json.dumps(listed))
    assert fetch_source(source, (), tmp_path, None) == folder
    with pytest.raises(UserError, match="no file like"):
        fetch_source(source.model_copy(update={"files": ("fr/*",)}), (), tmp_path, None)


@pytest.fixture
def gated_hub():
    """A hub that lists a repository's files to everyone and gives them to nobody."""
    commit = "c" * 40

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            listing = self.path.startswith("/api/")
            self.send_response(200 if listing else 401)
            if not listing:
                self.send_header("X-Error-Code", "GatedRepo")
            self.end_headers()
            sibling = {
                "rfilename": "nl_meta/a.jsonl.zst",
                "size": 5,
                "lfs": {"sha256": "0" * 64, "size": 5, "pointerSize": 1},
            }
            info = {"id": "o/O", "sha": commit, "siblings": [sibling], "tags": [], "downloads": 0, "private": False}
            self.wfile.write(json.dumps(info).encode() if listing else b"gated")

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", commit
    server.shutdown()


def test_a_gated_dataset_is_pinned_and_says_which_terms_to_accept(gated_hub, tmp_path, monkeypatch):
    from stages.shared.sources.hub import fetch_hub, lock_hub

    monkeypatch.delenv("HF_TOKEN", raising=False)
    address, commit = gated_hub
    source = HubSource(kind="hub", id="o/O", revision="locked", files=("nl_meta/*",))
    file = lock_hub(source, "hub/dataset/o/O", tmp_path, address)
    assert (file.version, file.size) == (commit, 5)
    with pytest.raises(UserError, match=r"not open to you .*Accept its terms on https://.*/datasets/o/O .*HF_TOKEN"):
        fetch_hub(source, commit, tmp_path, address)
    with pytest.raises(UserError, match=r"hub/dataset/o/O is not in data_cards/lock\.json"):
        fetch_source(source, (), tmp_path, None)
