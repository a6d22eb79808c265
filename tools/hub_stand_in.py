# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the Hub: one repository, whose files a second server stores."""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

REPOSITORY = "acme/tiny-llava-gguf"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Server(ThreadingHTTPServer):
    """A server whose clients may leave at any time."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class HubStandIn:
    """Serves files by the addresses of huggingface.co until `stop`.

    `requests` has the method and the path of every request; those of the second server begin with `/blobs/`.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.requests: list[tuple[str, str]] = []
        self._blobs = {hashlib.sha256(content).hexdigest(): content for content in files.values()}
        self._storage = self._serve(self._content)
        self._hub = self._serve(self._description)

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT must be."""
        return f"http://127.0.0.1:{self._hub.server_port}"

    def stop(self) -> None:
        """Stop both servers."""
        for server in (self._hub, self._storage):
            server.shutdown()
            server.server_close()

    def _serve(self, answer: Callable[[BaseHTTPRequestHandler, str], None]) -> ThreadingHTTPServer:
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = unquote(self.path.partition("?")[0])
                requests.append((self.command, path))
                answer(self, path)

            do_HEAD = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def _description(self, request: BaseHTTPRequestHandler, path: str) -> None:
        """Answer as the Hub does: a listing, and redirects."""
        if path == f"/api/models/{REPOSITORY}/revision/main":
            siblings = [{"rfilename": name, "size": len(self.files[name])} for name in sorted(self.files)]
            listing = {"id": REPOSITORY, "sha": COMMIT, "siblings": siblings}
            return send(request, 200, {"Content-Type": "application/json"}, json.dumps(listing).encode())
        match = re.fullmatch(f"/{REPOSITORY}/resolve/(?:main|{COMMIT})/(.+)", path)
        if match is None or match[1] not in self.files:
            return send(request, 404, {"X-Error-Code": "EntryNotFound"})
        content = self.files[match[1]]
        digest = hashlib.sha256(content).hexdigest()
        headers = {
            "Location": f"http://127.0.0.1:{self._storage.server_port}/blobs/{digest}?signature=a%2Fb",
            "X-Linked-ETag": f'"{digest}"',
            "X-Linked-Size": str(len(content)),
            "X-Repo-Commit": COMMIT,
            "ETag": '"of-the-redirect"',
        }
        return send(request, 302, headers)

    def _content(self, request: BaseHTTPRequestHandler, path: str) -> None:
        """Send the bytes of a file, or those from some place on."""
        content = self._blobs.get(path.removeprefix("/blobs/"))
        if content is None:
            return send(request, 404, {})
        match = re.fullmatch("bytes=([0-9]+)-", request.headers.get("Range", ""))
        if match is None:
            return send(request, 200, {}, content)
        first = int(match[1])
        ranges = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
        return send(request, 206, ranges, content[first:])


def send(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    """Answer a request."""
    request.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
