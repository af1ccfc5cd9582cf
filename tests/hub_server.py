"""A server on loopback that speaks what `huggingface_hub` asks of a hub, over a folder of files."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"


@contextlib.contextmanager
def serve(folder: Path):
    """Serve `folder`, laid out as models/owner/name/... and datasets/owner/name/...; give the endpoint.

    The yielded object has `url`, `requests` (the paths asked for) and `revision`, which a test may change.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            server.requests.append(self.path)
            parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            if parts[0] == "api":
                self.describe(folder.joinpath(*parts[1:4]), parts[4:])
            else:
                if parts[0] != "datasets":
                    parts.insert(0, "models")
                self.send_file(folder.joinpath(*parts[:3]), parts[4], "/".join(parts[5:]))

        do_HEAD = do_GET

        def describe(self, repo: Path, rest: list[str]):
            if not repo.is_dir():
                self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                return
            files = sorted(path for path in repo.rglob("*") if path.is_file())
            names = [path.relative_to(repo).as_posix() for path in files]
            if rest[:1] == ["tree"]:
                body = [
                    {"type": "file", "path": name, "size": path.stat().st_size, "oid": digest(path)[:40]}
                    for name, path in zip(names, files, strict=True)
                ]
            else:
                name = f"{repo.parent.name}/{repo.name}"
                body = {"id": name, "sha": server.revision, "siblings": [{"rfilename": name} for name in names]}
            self.answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

        def send_file(self, repo: Path, revision: str, name: str):
            path = repo / name
            if revision != server.revision or not path.is_file():
                self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            headers = {"ETag": f'"{digest(path)}"', "X-Repo-Commit": revision}
            self.answer(200, path.read_bytes(), headers)

        def answer(self, status: int, body: bytes, headers: dict):
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.revision = [], REVISION
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
