# SPDX-License-Identifier: Apache-2.0
"""HTTPS, sockets in the file system, and the ends of servers."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

import pytest

from conftest import PROGRAM, SAMPLES, post, start, stop


def chat(picture: str, **more: object) -> dict:
    content = [
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "text", "text": "Describe the picture."},
    ]
    return {"messages": [{"role": "user", "content": content}], **more}


def test_a_signal_lets_answers_end(picture: str) -> None:
    server = start()
    response = post(server, chat(picture, stream=True, min_tokens=200, max_tokens=200))
    first = response.readline()
    server.process.send_signal(signal.SIGTERM)
    rest = response.read().decode()
    assert first.startswith((b":", b"data:"))
    assert rest.endswith("data: [DONE]\n\n")
    assert server.process.wait(timeout=60) == 0


def test_a_second_signal_ends_the_server_at_once(picture: str) -> None:
    server = start("--parallel", "1")
    # The answer would take long.
    response = post(server, chat(picture, stream=True, max_tokens=3000, ignore_eos=True))
    response.readline()
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=60) in (0, 128 + signal.SIGTERM)


def test_a_server_ends_with_the_process_that_started_it() -> None:
    script = f'"{PROGRAM}" serve --port 0 --quiet --exit-with-parent & wait'
    parent = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = json.loads(parent.stdout.readline())["pid"]
    parent.kill()
    parent.wait()
    # The pipe ends with the last process that has it.
    assert parent.stdout.read() == ""
    while is_running(pid):
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    """Whether a process is there, and not only its exit code."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_https(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split()
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    server = start("--tls-cert", str(certificate), "--tls-key", str(key))
    context = ssl.create_default_context(cafile=certificate)
    assert server.url.startswith("https://")
    with urllib.request.urlopen(f"{server.url}/livez", context=context) as answer:
        assert json.load(answer) == {"status": "ok"}
    # Clients that do not know the certificate get nothing.
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{server.url}/livez")
    assert stop(server) == 0
    refused = subprocess.run(
        [PROGRAM, "serve", "--port", "0", "--tls-cert", str(key), "--tls-key", str(key)],
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 1 and str(key) in refused.stderr


@pytest.mark.parametrize("kind", ["full disk", "pipe that nobody reads"])
def test_a_log_that_cannot_be_written_holds_up_nobody(kind: str) -> None:
    reads, writes = os.pipe()
    with open(reads, "rb"), open(writes, "wb") as pipe, open("/dev/full", "wb") as full:
        log: IO[bytes] = full if kind == "full disk" else pipe
        command = [PROGRAM, "serve", "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        # More lines than a pipe holds.
        for _ in range(1500):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{url}v1/nothing", timeout=60)
        process.terminate()
        assert process.wait(timeout=60) == 0


def test_an_address_that_nobody_can_be_told_is_no_end() -> None:
    with open("/dev/full", "wb") as full:
        command = [PROGRAM, "serve", "--port", "0", "--grace", "0"]
        process = subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    silence = threading.Timer(60, process.kill)  # ends the lines below
    silence.start()
    assert any("the address is not printed" in line for line in process.stderr)
    silence.cancel()
    assert process.poll() is None
    process.terminate()
    process.stderr.close()
    assert process.wait(timeout=60) == 0


def test_a_host_without_an_address() -> None:
    command = [PROGRAM, "serve", "--host", "no-such-host.invalid", "--port", "0"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "no-such-host.invalid" in refused.stderr and "--host" in refused.stderr
    assert "UnknownHost" not in refused.stderr


def test_a_server_without_a_projector_refuses_pictures(picture: str) -> None:
    """A picture sent to a text-only server has crashed others."""
    text = SAMPLES.parent.parent / "Sources/Product/DemoModel/Resources/scenes-q8_0.gguf"
    server = start("--model", str(text))
    refused = post(server, chat(picture))
    assert refused.status == 400 and b"no vision projector" in refused.read()
    answered = post(server, {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4})
    assert answered.status == 200 and answered.read()
    assert stop(server) == 0


def test_a_file_that_is_no_projector() -> None:
    text = SAMPLES.parent.parent / "Sources/Product/DemoModel/Resources/scenes-q8_0.gguf"
    command = [PROGRAM, "serve", "--port", "0", "--model", str(text), "--mmproj", str(text)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and str(text) in refused.stderr


def test_few_descriptors_are_few_connections() -> None:
    script = f'ulimit -n 100; exec "{PROGRAM}" serve --port 0'
    process = subprocess.Popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    place = json.loads(process.stdout.readline())
    assert any("ulimit -n" in line for line in process.stderr)
    idle = [socket.create_connection((place["host"], place["port"])) for _ in range(200)]
    with urllib.request.urlopen(f"{place['url']}livez", timeout=60) as answer:
        assert answer.status == 200
    for connection in idle:
        connection.close()
    process.terminate()
    process.stderr.close()
    assert process.wait(timeout=60) == 0


class SocketConnection(http.client.HTTPConnection):
    """A connection over a socket in the file system."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def test_sockets_in_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    command = [PROGRAM, "serve", "--quiet", "--unix-socket", str(path)]
    for end in (signal.SIGKILL, signal.SIGTERM):
        # What a killed server left behind is replaced.
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["unix_socket"] == str(path)
        connection = SocketConnection(str(path))
        connection.request("GET", "/livez", headers={"Host": "localhost"})
        assert connection.getresponse().status == 200
        connection.close()
        second = subprocess.run(command, capture_output=True, text=True)
        assert second.returncode == 1 and "another server" in second.stderr
        process.send_signal(end)
        process.wait(timeout=60)
    path.unlink(missing_ok=True)
    path.write_text("not a socket")
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1 and path.read_text() == "not a socket"


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "70000"],
        ["--host", ""],
        ["--tls-cert", "x"],
        ["--max-queue", "0"],
        ["--max-body", "0"],
        ["--max-connections", "0"],
        ["--parallel", "none"],
        ["--cors", "example.org"],
        ["--selector", "best"],
        ["--media-path", "/absent"],
    ],
)
def test_wrong_usage(options: list[str]) -> None:
    result = subprocess.run([PROGRAM, "serve", *options], capture_output=True, text=True)
    assert result.returncode == 2, result.stderr


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n# no key\n")
    for options in (["--api-key-file", str(empty)], ["--api-key-file", "/absent"]):
        result = subprocess.run([PROGRAM, "serve", "--port", "0", *options], capture_output=True, text=True)
        assert result.returncode == 1 and options[1] in result.stderr
    result = subprocess.run(
        [PROGRAM, "serve", "--port", "0", "-m", str(empty), "--mmproj", str(empty)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1 and str(empty) in result.stderr
