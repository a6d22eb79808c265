# SPDX-License-Identifier: Apache-2.0
"""A server of the demonstration model, and the clients that talk to it."""

import base64
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

SAMPLES = Path(__file__).parent.parent / "samples"
# The load test has a maker of bombs.
sys.path.append(str(SAMPLES.parent.parent / "Benchmarks" / "serving"))
PROGRAM = os.environ.get("TRIMLLAVA", ".build/release/trimllava")


@dataclass
class Server:
    url: str
    process: subprocess.Popen[str]


def start(*options: str) -> Server:
    """Starts a server on a free port and waits until it listens."""
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", "0", "--quiet", *options], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the server ended before it listened"
    return Server(json.loads(line)["url"].rstrip("/"), process)


def post(server: Server, body: dict) -> http.client.HTTPResponse:
    """Asks for a chat completion, as soon as the model is loaded."""
    place = urlsplit(server.url)
    while True:
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        connection.request("POST", "/v1/chat/completions", json.dumps(body))
        response = connection.getresponse()
        if response.status != 503:
            return response
        connection.close()
        time.sleep(0.05)


def stop(server: Server) -> int:
    server.process.terminate()
    return server.process.wait(timeout=60)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    running = start("--parallel", "4")
    yield running
    assert stop(running) == 0, "the server did not end as it should"


@pytest.fixture(scope="session")
def picture() -> str:
    """A drawn scene as a data URL."""
    data = base64.b64encode((SAMPLES / "scene-1.png").read_bytes()).decode()
    return f"data:image/png;base64,{data}"


def run(question: str, picture: str = "scene-1.png", *options: str) -> str:
    """What the command line answers."""
    command = [PROGRAM, "run", str(SAMPLES / picture), "--prompt", question, "--quiet", *options]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return result.stdout.removesuffix("\n")
