"""Beginnings of hub files, read by ranges from a server on this machine that speaks the hub's protocol."""

import base64
import bz2
import gzip
import http.server
import itertools
import json
import lzma
import random
import threading
from types import SimpleNamespace

import huggingface_hub.constants
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from ingest_case import CORPUS, DATA, DUTCH, SMALL, card, execution

from pipeline.card_sources import HubSource
from pipeline.errors import UserError
from pipeline.hub_cards import PARTIAL
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.ingest_corpus.stage import ingest_corpus
from stages.shared.readers.text_file import text_lines
from stages.shared.sources import hub_beginning
from stages.shared.sources.fetch import fetch_source
from stages.shared.sources.hub_beginning import fetch_beginning
from stages.shared.text_table import read_rows

COMMIT = "a" * 40
PAGES = [text for text in (DATA / "dutch.txt").read_text(encoding="utf-8").split("\n\n") if text.strip()]


def small_blocks(data):
    """Pack with bzip2 in its smallest blocks: nothing of one can be read before all of it is there."""
    return bz2.compress(data, 1)


PACK = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress, ".bz2": small_blocks, ".xz": lzma.compress}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder whose files are a dataset, served in ranges; which of them were asked for, and how many bytes went."""
    hub = SimpleNamespace(folder=tmp_path / "served", asked=[], sent=0, ranges=True, refused=None)
    hub.folder.mkdir()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/api/"):
                names = [path.relative_to(hub.folder).as_posix() for path in hub.folder.rglob("*") if path.is_file()]
                siblings = [{"rfilename": name, "size": (hub.folder / name).stat().st_size} for name in names]
                self.answer(200, json.dumps({"id": "o/text", "sha": COMMIT, "siblings": siblings}).encode())
                return
            name = self.path.partition(f"/datasets/o/text/resolve/{COMMIT}/")[2]
            if name == hub.refused:
                self.answer(404, b"")
                return
            data = (hub.folder / name).read_bytes()
            if hub.ranges:
                begin, end = self.headers["Range"].removeprefix("bytes=").split("-")
                data = data[int(begin) : int(end) + 1]
            hub.asked.append(name)
            hub.sent += len(data)
            self.answer(206 if hub.ranges else 200, data)

        def answer(self, status, data):
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(
        huggingface_hub.constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        huggingface_hub.constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}",
    )
    yield hub
    server.shutdown()


def source(first_bytes, files="nl/*"):
    return HubSource(kind="hub", id="o/text", revision=COMMIT, files=(files,), first_bytes=first_bytes)


def noise(size, seed):
    """Text that no packing makes small."""
    return base64.b64encode(random.Random(seed).randbytes(size * 3 // 4)).decode()


def write_table(path, texts, group_rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"text": texts, "url": [f"http://x/{number}" for number in range(len(texts))]})
    pq.write_table(table, path, row_group_size=group_rows, use_dictionary=False)


def test_only_the_wanted_row_groups_travel(hub, tmp_path):
    texts = [noise(2_000, number) for number in range(1_000)]
    write_table(hub.folder / "nl" / "a.parquet", texts, group_rows=100)
    write_table(hub.folder / "nl" / "b.parquet", texts, group_rows=100)
    folder = fetch_source(source(250_000), (), tmp_path / "d", None)
    (path,) = [path for path in folder.rglob("*") if path.is_file()]
    found = pq.read_table(path)
    assert found["text"].to_pylist() == texts[:200]
    assert found.column_names == ["text", "url"]
    assert len(set(hub.asked)) == 1
    assert 400_000 < hub.sent < 600_000 < (hub.folder / "nl" / "a.parquet").stat().st_size / 2


@pytest.mark.parametrize("packed", PACK)
def test_only_the_wanted_lines_travel(hub, tmp_path, monkeypatch, packed):
    monkeypatch.setattr(hub_beginning, "BUFFER_BYTES", 50_000)
    lines = [json.dumps({"text": noise(20_000, number)}) for number in range(50)]
    path = hub.folder / "nl" / f"a.jsonl{packed}"
    path.parent.mkdir()
    path.write_bytes(PACK[packed]("".join(f"{line}\n" for line in lines).encode()))
    folder = fetch_source(source(50_000), (), tmp_path / "d", None)
    assert [line for _, line in text_lines(folder / "nl" / path.name)] == lines[:3]
    assert hub.sent < path.stat().st_size / 2


def test_what_is_smaller_is_taken_whole_and_a_larger_number_keeps_all_of_a_smaller_one(hub, tmp_path):
    for number in range(6):
        path = hub.folder / "nl" / f"{number}.txt.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress("".join(f"{number} {line}\n" for line in range(1_000)).encode()))
    held = []
    for first in (1, 9_000, 20_000, 10**9):
        folder = fetch_beginning(source(first), COMMIT, tmp_path / "d")
        held.append({path.name: [line for _, line in text_lines(path)] for path in folder.rglob("*.gz")})
    for small, large in itertools.pairwise(held):
        for name, lines in small.items():
            assert large[name][: len(lines)] == lines
    assert [len(lines) for lines in held[0].values()] == [1]
    assert {name: len(lines) for name, lines in held[3].items()} == {f"{number}.txt.gz": 1_000 for number in range(6)}
    assert sum(len(f"{line}\n") for lines in held[2].values() for line in lines) in range(20_000, 20_010)


def test_a_killed_fetch_goes_on_with_the_next_file_and_a_finished_one_asks_for_nothing(hub, tmp_path):
    for name in "abc":
        write_table(hub.folder / "nl" / f"{name}.parquet", PAGES, group_rows=10)
    wanted = source(10**9)
    order = [path.name for path in sorted(fetch_beginning(wanted, COMMIT, tmp_path / "whole").rglob("*.parquet"))]
    first = list(dict.fromkeys(hub.asked))
    assert order == ["a.parquet", "b.parquet", "c.parquet"]
    hub.refused = first[1]
    with pytest.raises(UserError, match=r"there is no .*o/text"):
        fetch_beginning(wanted, COMMIT, tmp_path / "d")
    hub.refused, hub.asked = None, []
    folder = fetch_beginning(wanted, COMMIT, tmp_path / "d")
    assert list(dict.fromkeys(hub.asked)) == first[1:]
    hub.asked = []
    assert fetch_beginning(wanted, COMMIT, tmp_path / "d") == folder
    (folder / "nl" / "b.parquet").write_bytes(b"cut")
    fetch_beginning(wanted, COMMIT, tmp_path / "d")
    assert set(hub.asked) == {"nl/b.parquet"}
    assert pq.read_table(folder / "nl" / "b.parquet")["text"].to_pylist() == PAGES
    assert not list((tmp_path / "d").rglob("tmp-*"))


def test_a_server_without_ranges_and_damaged_files_are_refused(hub, tmp_path):
    write_table(hub.folder / "nl" / "a.parquet", PAGES, group_rows=10)
    hub.ranges = False
    with pytest.raises(UserError, match=r"a\.parquet was asked for .* bytes and gave .*hub\.first_bytes"):
        fetch_beginning(source(10_000), COMMIT, tmp_path / "d")
    hub.ranges = True
    for number, (name, data) in enumerate(
        {
            "a.parquet": b"PAR1 not a table PAR1",
            "a.jsonl.gz": gzip.compress(b"{}\n" * 9)[:-9],
            "a.jsonl.zst": b"no frame",
            "a.txt.bz2": b"no block",
        }.items()
    ):
        (hub.folder / f"{number}").mkdir()
        (hub.folder / f"{number}" / name).write_bytes(data)
        with pytest.raises(UserError, match=rf"{name} of o/text is damaged .*broken=skip"):
            fetch_beginning(source(10_000, f"{number}/*"), COMMIT, tmp_path / f"d{number}")


def test_a_corpus_of_the_beginning_says_so_and_has_the_ids_of_the_whole(hub, tmp_path):
    write_table(hub.folder / "nl" / "a.parquet", [f"{page} {number}" for number in range(3) for page in PAGES], 40)
    made = {}
    for name, first in (("part", 8_000), ("more", 10**9)):
        table = card(tmp_path, "web", "parquet", files="nl/*.parquet")
        one = table.model_copy(update={"source": source(first, "nl/*.parquet"), "columns": {"text": "text"}})
        out = tmp_path / name
        out.mkdir()
        settings = IngestCorpusSettings(language=DUTCH, corpus=CORPUS.model_copy(update={"split": SMALL}), cards=(one,))
        ingest_corpus(settings, {}, out, execution(tmp_path / "d"))
        tables = [out / f"{split}.parquet" for split in ("train", "validation", "test", "dropped")]
        ids = [row for table in tables for (row,) in read_rows(table, ["id"])]
        made[name] = (json.loads((out / "corpus.json").read_text()), ids)
    told, ids = made["part"]
    assert any("only the first 8,000 bytes" in note for note in told["notes"])
    assert 0 < told["ids"]["input"] < made["more"][0]["ids"]["input"]
    assert set(ids) < set(made["more"][1])


def test_every_ending_that_is_promised_is_read():
    assert {ending.removeprefix(".jsonl") for ending in PARTIAL if ending.startswith(".jsonl")} == set(PACK)
