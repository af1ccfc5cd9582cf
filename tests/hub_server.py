"""A server on loopback that speaks what `huggingface_hub` asks of a hub, over a folder of files, and fails as told."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"
LFS = (".safetensors", ".bin", ".parquet")
ENDLESS = 2**27


@contextlib.contextmanager
def serve(folder: Path):
    """Serve `folder`, laid out as models/owner/name/... and datasets/owner/name/...; give the endpoint.

    The yielded object has `url` and `requests`, the "METHOD path" asked for, and what a test may change: `revision`;
    `token`, which each request then has to bring; `claims`, by a file's name the sha256 to tell of it; `sizes`, the
    same for its size; `listed`, what a listing has besides; and `failures`, pairs of a part of a request and what it
    meets in place of an answer, each once: an HTTP status, "cut" (half a body, then the end of the connection),
    "short" (half a body, announced as the whole) or "endless" (a body that goes on until nobody reads it, or up to
    ENDLESS bytes).
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            request = f"{self.command} {self.path}"
            server.requests.append(request)
            failure = next((failure for failure in server.failures if failure[0] in request), None)
            if failure is not None:
                server.failures.remove(failure)
            if server.token is not None and self.headers["Authorization"] != f"Bearer {server.token}":
                self.answer(401, b"{}", {"X-Error-Code": "GatedRepo"})
            elif failure is not None and isinstance(failure[1], int):
                self.answer(failure[1], b"{}", {"Retry-After": "0"})
            else:
                self.serve(failure and failure[1])

        do_HEAD = do_GET

        def serve(self, failure):
            parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            if parts[0] == "api":
                self.describe(folder.joinpath(*parts[1:4]), parts[4:])
            else:
                if parts[0] != "datasets":
                    parts.insert(0, "models")
                self.send_file(folder.joinpath(*parts[:3]), parts[4], "/".join(parts[5:]), failure)

        def describe(self, repo: Path, rest: list[str]):
            if not repo.is_dir() or rest not in ([], ["revision", server.revision]):
                self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                return
            siblings = []
            for path in sorted(path for path in repo.rglob("*") if path.is_file()):
                name = path.relative_to(repo).as_posix()
                size = server.sizes.get(name, path.stat().st_size)
                siblings.append({"rfilename": name, "size": size, "blobId": digest(path)[:40]})
                if name.endswith(LFS):
                    sha256 = server.claims.get(name, digest(path))
                    siblings[-1]["lfs"] = {"sha256": sha256, "size": size, "pointerSize": 130}
            siblings += server.listed
            body = {"id": f"{repo.parent.name}/{repo.name}", "sha": server.revision, "siblings": siblings}
            self.answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

        def send_file(self, repo: Path, revision: str, name: str, failure):
            path = repo / name
            if revision != server.revision or not path.is_file():
                self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            headers = {"ETag": f'"{digest(path)}"', "X-Repo-Commit": revision}
            if failure == "endless":
                self.answer_without_end(headers)
                return
            self.answer(200, path.read_bytes(), headers, failure)

        def answer(self, status: int, body: bytes, headers: dict, failure=None):
            half = body[: len(body) // 2]
            self.send_response(status)
            length = len(half if failure == "short" else body)
            for key, value in {**headers, "Content-Length": str(length)}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(half if failure else body)
            self.close_connection = self.close_connection or failure == "cut"

        def answer_without_end(self, headers: dict):
            self.send_response(200)
            for key, value in {**headers, "Transfer-Encoding": "chunked"}.items():
                self.send_header(key, value)
            self.end_headers()
            piece, server.sent = bytes(2**16), 0
            self.close_connection = True
            with contextlib.suppress(ConnectionError):
                while server.sent < ENDLESS:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    server.sent += len(piece)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.failures, server.claims = [], [], {}
    server.sizes, server.listed, server.sent = {}, [], None
    server.revision, server.token = REVISION, None
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hub_environment(server, cache: Path) -> dict[str, str]:
    """Return the environment in which huggingface_hub asks this server, with a cache of its own."""
    return {
        "HF_ENDPOINT": server.url,
        "HF_HOME": str(cache),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
