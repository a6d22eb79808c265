# SPDX-License-Identifier: Apache-2.0
"""Many clients of all kinds at once: nothing fails that is right, and nothing is left behind."""

import base64
import http.client
import io
import json
import random
import re
import threading
import urllib.request
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from conftest import SAMPLES, Server, post, start, stop
from serving_load.pictures import bomb

CLIENTS = 16
# Bytes that the server may grow by between two rounds of the same load.
TOLERANCE = 48 << 20


@pytest.fixture(scope="module")
def pictures() -> list[str]:
    """Drawn pictures of several sizes, formats and shapes as data URLs."""
    addresses = []
    for index, size in enumerate([(336, 336), (1, 1), (640, 80), (80, 640), (1200, 900)]):
        for kind in ("PNG", "JPEG", "WEBP"):
            file = io.BytesIO()
            Image.new("RGB", size, (40 * index, 90, 200)).save(file, kind)
            data = base64.b64encode(file.getvalue()).decode()
            addresses.append(f"data:image/{kind.lower()};base64,{data}")
    return addresses


def one_request(server: Server, pictures: list[str], chance: random.Random) -> str:
    """Makes one request as some client might, and says what became of it."""
    kind = chance.choice(["whole", "stream", "leave", "leave at once", "broken", "odd"])
    content = [
        {"type": "image_url", "image_url": {"url": chance.choice(pictures)}},
        {"type": "text", "text": f"Question {chance.randrange(5)}?"},
    ]
    body: dict = {"messages": [{"role": "user", "content": content}], "max_tokens": 20}
    if chance.random() < 0.5:
        body["keep"] = chance.choice([1, 32, "11.1%", "auto"])
    body["stream"] = kind in ("stream", "leave")
    text = json.dumps(body)
    if kind == "broken":
        text = text[: chance.randrange(len(text))]
    if kind == "odd":
        text = json.dumps({**body, "keep": "none"})
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=120)
    connection.request("POST", "/v1/chat/completions", text)
    if kind == "leave at once":
        connection.close()
        return kind
    response = connection.getresponse()
    if kind == "leave":
        response.read(50)
        connection.close()
        return kind
    response.read()
    connection.close()
    return f"{kind} {response.status}"


def load(server: Server, pictures: list[str], rounds: int) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    lock = threading.Lock()

    def client(number: int) -> None:
        chance = random.Random(number)
        for _ in range(rounds):
            outcome = one_request(server, pictures, chance)
            with lock:
                outcomes[outcome] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def metric(server: Server, name: str) -> float:
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        text = answer.read().decode()
    match = re.search(rf"^trimllava_{name} (\S+)$", text, re.MULTILINE)
    assert match is not None
    return float(match[1])


def resident_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    match = re.search(r"VmRSS:\s*(\d+) kB", status)
    assert match is not None
    return int(match[1]) << 10


def test_a_crowd_is_served_and_leaves_nothing(pictures: list[str]) -> None:
    server = start("--parallel", "4", "--max-queue", "64")
    while metric(server, "ready") == 0:
        pass
    load(server, pictures, rounds=4)
    before = resident_bytes(server)
    outcomes = load(server, pictures, rounds=10)
    allowed = {"whole 200", "stream 200", "leave", "leave at once", "broken 400", "odd 400"}
    assert outcomes.keys() <= allowed, outcomes
    while metric(server, "requests_processing") + metric(server, "requests_deferred") > 0:
        pass
    while metric(server, "requests_open") > 1:
        pass
    assert metric(server, "bytes_in_flight") == 0
    assert resident_bytes(server) < before + TOLERANCE
    assert stop(server) == 0


MODEL = SAMPLES.parent.parent / "Tests/TestSupport/Fixtures/models/llava-1.5-gqa"


def question(file: bytes, **more: object) -> dict:
    address = f"data:image/png;base64,{base64.b64encode(file).decode()}"
    content = [
        {"type": "image_url", "image_url": {"url": address}},
        {"type": "text", "text": "What?"},
    ]
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 1, **more}


def plain(number: int, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (number % 256, number // 256, 99)).save(file, "PNG")
    return file.getvalue()


def test_bombs_are_refused_by_their_header() -> None:
    server = start("--parallel", "2")
    assert post(server, question(plain(1, (64, 64)))).status == 200
    file = bomb()
    assert len(file) < 60_000
    before = resident_bytes(server)
    for _ in range(20):
        response = post(server, question(file))
        assert response.status == 400
        assert "19000" in json.loads(response.read())["error"]["message"]
    # One of them would take a gigabyte.
    assert resident_bytes(server) < before + TOLERANCE
    assert post(server, question(plain(2, (64, 64)))).status == 200
    assert stop(server) == 0


def test_many_pictures_leave_no_memory_behind() -> None:
    files = [f"{MODEL}/llava-1.5-gqa{name}-f32.gguf" for name in ("", "-mmproj")]
    server = start("--parallel", "2", "--model", files[0], "--mmproj", files[1])

    def ask(numbers: range) -> None:
        for number in numbers:
            response = post(server, question(plain(number, (200 + number % 50, 300))))
            assert response.status == 200
            response.read()

    ask(range(100))
    before = resident_bytes(server)
    ask(range(100, 600))
    # Each of them is 180 kB of pixels, and some kilobytes in the cache of pictures.
    assert resident_bytes(server) < before + TOLERANCE
    assert metric(server, "bytes_in_flight") == 0
    assert stop(server) == 0
