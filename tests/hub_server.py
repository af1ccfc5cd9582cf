"""A loopback server that answers what `huggingface_hub` asks of the hub, from a folder, and fails on demand."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"
LFS = (".safetensors", ".bin", ".parquet")


@contextlib.contextmanager
def serve(folder: Path):
    """Serve `folder`, laid out as models/owner/name/... and datasets/owner/name/...; give the server.

    It has `url` and `requests`, the "METHOD path" of each, and what a test may change: `revision`; `token`, which each
    request then has to bring; `claims`, the sha256 to give for a file by its name; `listed`, entries that a listing has
    besides; and `failures`, pairs of a part of a request and what it gets instead of an answer, each once: an HTTP
    status, or "stall" (half a body, then nothing until the server ends).
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
                self.serve(stall=failure is not None)

        do_HEAD = do_GET

        def serve(self, stall):
            parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            if parts[0] == "api":
                self.describe(folder.joinpath(*parts[1:4]), parts[4:])
            else:
                if parts[0] != "datasets":
                    parts.insert(0, "models")
                self.send_file(folder.joinpath(*parts[:3]), parts[4], "/".join(parts[5:]), stall)

        def describe(self, repo: Path, rest: list[str]):
            if not repo.is_dir() or rest not in ([], ["tree", server.revision]):
                self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                return
            answer = {"id": f"{repo.parent.name}/{repo.name}", "sha": server.revision}
            if rest:
                answer = [self.entry(repo, path) for path in sorted(repo.rglob("*"))] + server.listed
            self.answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

        def entry(self, repo: Path, path: Path):
            name = path.relative_to(repo).as_posix()
            if path.is_dir():
                return {"type": "directory", "path": name, "oid": "0" * 40}
            entry = {"type": "file", "path": name, "size": path.stat().st_size, "oid": digest(path)[:40]}
            if name.endswith(LFS):
                sha256 = server.claims.get(name, digest(path))
                entry["lfs"] = {"oid": sha256, "size": entry["size"], "pointerSize": 130}
            return entry

        def send_file(self, repo: Path, revision: str, name: str, stall):
            path = repo / name
            if revision == server.revision and path.is_file():
                headers = {"ETag": f'"{digest(path)}"', "X-Repo-Commit": revision}
                self.answer(200, path.read_bytes(), headers, stall)
            else:
                self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})

        def answer(self, status: int, body: bytes, headers: dict, stall=False):
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if stall else body)
                if stall:
                    self.wfile.flush()
                    server.stalled.set()
                    server.ended.wait()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.requests, server.failures, server.claims, server.listed = [], [], {}, []
    server.revision, server.token = REVISION, None
    server.stalled, server.ended = threading.Event(), threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
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
    """Return the sha256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
