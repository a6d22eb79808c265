# SPDX-License-Identifier: Apache-2.0
"""A server with the demonstration model, for the time of a test."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import urllib.request
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "tools/samples"


class Server:
    """`trimllava serve` on a free port, or on the one that is named."""

    def __init__(self, program: Path, folder: Path, *options: str, port: int = 0, key: str = "") -> None:
        if key:
            (folder / "keys").write_text(f"{key}\n", encoding="utf-8")
            options = (*options, "--api-key-file", str(folder / "keys"))
        self.command = [str(program), "serve", *options]
        self.log = folder / "server.log"
        self.start(port)

    def start(self, port: int) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "--port", str(port)], stdout=subprocess.PIPE, stderr=log, text=True
            )
        line = self.process.stdout.readline()
        assert line, self.log.read_text(encoding="utf-8", errors="replace")
        self.port = json.loads(line)["port"]
        self.url = f"http://127.0.0.1:{self.port}/"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()

    def answer(self, picture: Path, question: str, **fields: object) -> dict:
        """What the server answers to a program, with the map."""
        address = "data:;base64," + base64.b64encode(picture.read_bytes()).decode()
        content = [
            {"type": "image_url", "image_url": {"url": address}},
            {"type": "text", "text": question},
        ]
        body = {"messages": [{"role": "user", "content": content}], "prune_map": True, **fields}
        request = urllib.request.Request(
            self.url + "v1/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)
