"""A stand-in for the Hugging Face Hub on this machine: repositories in memory, the addresses that its client asks for.

`started()` gives the environment with which a child process talks to it; what was asked for is kept in `asked`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class HubStandIn:
    """Repositories by name: revision -> file name -> content."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}
        self.asked: list[str] = []

    def put(self, repo: str, files: dict[str, bytes], revision: str = "main") -> str:
        """Make files a revision of a repository; returns its commit."""
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        revisions = self.repos.setdefault(repo, {})
        revisions[revision] = revisions[commit] = files
        return commit

    def commit_of(self, repo: str, revision: str) -> str:
        files = self.repos[repo][revision]
        return next(name for name, held in self.repos[repo].items() if held is files and len(name) == 40)


def _handler(hub: HubStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_) -> None:
            pass

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            if "Content_Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            hub.asked.append(f"{self.command} {'/'.join(parts)}")
            if len(parts) < 5 or parts[2] != "resolve":
                return self.answer(404)
            repo, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
            if repo not in hub.repos:
                return self.answer(401, X_Error_Code="RepoNotFound")
            if revision not in hub.repos[repo]:
                return self.answer(404, X_Error_Code="RevisionNotFound")
            commit, files = hub.commit_of(repo, revision), hub.repos[repo][revision]
            if name not in files:
                return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            tag = hashlib.sha1(files[name]).hexdigest()
            self.answer(200, files[name], ETag=f'"{tag}"', X_Repo_Commit=commit)

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length")
            body = self.rfile.read(int(length)) if length else self.read_chunks()
            path = urlsplit(self.path).path
            hub.asked.append(f"POST {path.strip('/')}")
            if path == "/api/repos/create":
                asked = json.loads(body)
                repo = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
                if self.headers.get("Authorization") != "Bearer hf_stand_in":
                    return self.answer(401)
                hub.repos.setdefault(repo, {})
                return self.json({"url": f"http://{self.headers['Host']}/{repo}", "name": repo})
            repo = "/".join(path.split("/")[3:5])
            if path.endswith("/validate-yaml") or "validate-yaml" in path:
                return self.json({"errors": [], "warnings": []})
            if "/preupload/" in path:
                files = json.loads(body)["files"]
                return self.json(
                    {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
                )
            if "/commit/" in path:
                lines = [json.loads(line) for line in body.splitlines()]
                files = {
                    line["value"]["path"]: base64.b64decode(line["value"]["content"])
                    for line in lines
                    if line["key"] == "file"
                }
                commit = hub.put(repo, files)
                address = f"http://{self.headers['Host']}/{repo}/commit/{commit}"
                return self.json({"success": True, "commitOid": commit, "commitUrl": address})
            self.answer(404)

        def read_chunks(self) -> bytes:
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        def json(self, value: dict) -> None:
            self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

    return Handler


@contextmanager
def started(hub: HubStandIn, home: Path) -> Iterator[dict[str, str]]:
    """Serve it; gives the environment for a child process whose cache is `home`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    try:
        yield kept | {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(home),
            "HF_TOKEN": "hf_stand_in",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "OMP_NUM_THREADS": "1",
        }
    finally:
        server.shutdown()
        server.server_close()
