"""A Hugging Face hub on this machine that holds one model."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """A hub that holds one model; `fetched` are the files that were asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.folder = folder
        self.fetched: list[str] = []
        self.sha256: str | None = None  # of the weights, where it is not to be the true one
        self.endpoint = f"http://127.0.0.1:{self.server_port}"


class HubHandler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        if "gated" in self.path:
            return self.send(403, b"{}", {"X-Error-Code": "GatedRepo"}, body)
        if self.path.startswith("/api/models/"):
            files = [self.listed(path) for path in self.server.folder.iterdir()]
            info = {
                "id": "someone/tiny",
                "sha": COMMIT,
                "siblings": [*files, {"rfilename": "weights.bin", "size": 9**9}],
            }
            return self.send(200, json.dumps(info).encode(), {"Content-Type": "application/json"}, body)
        name = self.path.split("?")[0].rsplit("/", 1)[1]
        assert f"/resolve/{COMMIT}/" in self.path
        if body:
            self.server.fetched.append(name)
        content = (self.server.folder / name).read_bytes()
        return self.send(200, content, {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT}, body)

    def listed(self, path: Path) -> dict[str, object]:
        entry: dict[str, object] = {"rfilename": path.name, "size": path.stat().st_size}
        if path.suffix == ".safetensors":
            sha256 = self.server.sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
            entry["lfs"] = {"sha256": sha256, "size": path.stat().st_size, "pointerSize": 130}
        return entry

    def send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
