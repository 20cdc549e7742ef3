"""The few answers of Hugging Face's hub that uploads and downloads need, on this machine alone."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import huggingface_hub
import pytest

Repositories = dict[str, dict[str, bytes]]
"""Files by repository and name."""


class _Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    repositories: Repositories

    def do_GET(self) -> None:
        words = self.path.partition("?")[0].strip("/").split("/")
        if words[:2] == ["api", "models"]:
            repo = "/".join(words[2:4])
            if repo not in self.repositories:
                self._refuse("RepoNotFound")
                return
            if words[4:5] == ["tree"]:
                listed = self.repositories[repo].items()
                self._answer([_listed(name, len(content)) for name, content in listed])
                return
            files = [{"rfilename": name} for name in self.repositories[repo]]
            self._answer({"id": repo, "sha": self._commit(repo), "siblings": files})
        else:
            self._send_file("/".join(words[:2]), "/".join(words[4:]))

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self._body()
        words = self.path.strip("/").split("/")
        if words[1] == "repos":
            given = json.loads(body)
            repo = f"{given['organization']}/{given['name']}"
            self.repositories.setdefault(repo, {})
            self._answer({"url": f"http://{self.headers['Host']}/{repo}"})
        elif words[1] == "validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif words[4] == "preupload":
            files = json.loads(body)["files"]
            # In place of the store for large files.
            modes = [
                {"path": file["path"], "shouldIgnore": False, "uploadMode": "regular"}
                for file in files
            ]
            self._answer({"files": modes})
        else:
            repo = "/".join(words[2:4])
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    file = line["value"]
                    content = base64.b64decode(file["content"])
                    self.repositories[repo][file["path"]] = content
                elif line["key"] == "deletedFile":
                    del self.repositories[repo][line["value"]["path"]]
            self._answer({"commitUrl": f"http://{self.headers['Host']}/{repo}", "commitOid": "0"})

    def _commit(self, repo: str) -> str:
        return hashlib.sha1(repr(self.repositories[repo]).encode()).hexdigest()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send_file(self, repo: str, name: str) -> None:
        files = self.repositories.get(repo)
        if files is None or name not in files:
            self._refuse("RepoNotFound" if files is None else "EntryNotFound")
            return
        tag = hashlib.sha256(files[name]).hexdigest()
        self._send(200, files[name], {"ETag": f'"{tag}"', "X-Repo-Commit": self._commit(repo)})

    def _answer(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _refuse(self, code: str) -> None:
        self._send(404, b"", {"X-Error-Code": code})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def _listed(name: str, size: int) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": size, "oid": "0" * 40}


@contextmanager
def running() -> Iterator[tuple[str, Repositories]]:
    """
    :return: address of the hub, and what it holds
    """
    found: Repositories = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Hub", (_Hub,), {"repositories": found}))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", found
    finally:
        server.shutdown()
        server.server_close()


def use(address: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    :param address: of the hub
    :param cache: for what is downloaded
    :param monkeypatch: for the constants that the library read from the environment when imported
    """
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )
    for name, value in variables(address, cache).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)


def variables(address: str, home: Path) -> dict[str, str]:
    """
    :param address: of the hub
    :param home: for what is downloaded
    :return: variables of a process that talks with it and nobody else
    """
    return {
        "HF_ENDPOINT": address,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_of_the_tests",
    }
