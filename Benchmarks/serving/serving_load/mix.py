# SPDX-License-Identifier: Apache-2.0
"""Many clients that ask, leave, stall and send malformed requests, for a while."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from .client import Answer, Place, ask, chat, connection, read_answer
from .pictures import QUESTIONS, body, broken_requests, pictures, user
from .report import mebibytes, rounded, spread
from .server import Program, Server, running
from .watch import Sample, Watch, growth

PICTURES = 480  # more than the server keeps
BUDGETS: list[object] = ["all", 64, "11.1%", "auto"]
ANSWER_TOKENS = 24
STALL_SECONDS = (1.0, 8.0)
WARM_UP = 0.1  # of the time, before memory counts


@dataclass(frozen=True)
class Shares:
    """Parts of all requests; the others are asked and answered."""

    cancels: float
    stalls: float
    broken: float

    def kind(self, chance: random.Random) -> str:
        place = chance.random()
        for name, share in (("cancel", self.cancels), ("stall", self.stalls), ("broken", self.broken)):
            if place < share:
                return name
            place -= share
        return "answer"


@dataclass
class Outcomes:
    """The outcomes of the requests."""

    expected: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    first_tokens: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    texts: dict[object, str] = field(default_factory=dict)
    retries: int = 0

    def note(self, kind: str, answer: Answer, question: object) -> None:
        """Counts an answer that should be right: whole, and the same whenever it is asked for."""
        if answer.status != 200 or not answer.is_whole or answer.finish_reason not in ("stop", "length"):
            self.unexpected.append(f"{kind}: status {answer.status}, whole {answer.is_whole}")
            return
        if self.texts.setdefault(question, answer.text) != answer.text:
            self.unexpected.append(f"{kind}: another answer to the same question")
            return
        self.expected[f"{kind} 200"] += 1
        if answer.first_token_seconds is not None:
            self.first_tokens.append(answer.first_token_seconds)
        self.seconds.append(answer.seconds)


class Mix:
    """The clients."""

    def __init__(self, place: Place, shares: Shares, files: list[bytes]) -> None:
        self.place, self.shares, self.files = place, shares, files
        self.broken = broken_requests()
        self.outcomes = Outcomes()

    def request(self, chance: random.Random, is_streamed: bool) -> tuple[object, bytes]:
        """A question, and the request that asks it."""
        number = chance.randrange(len(self.files))
        text, keep = chance.choice(QUESTIONS), chance.choice(BUDGETS)
        question = (number, text, keep)
        fields = {"keep": keep, "max_tokens": ANSWER_TOKENS, "stream": is_streamed}
        return question, chat(body([user(text, self.files[number])], **fields))

    async def client(self, number: int, end: float) -> None:
        chance = random.Random(number)
        while time.monotonic() < end:
            kind = self.shares.kind(chance)
            try:
                await getattr(self, f"make_{kind}")(chance)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self.outcomes.unexpected.append(f"{kind}: {type(error).__name__} {error}")
                await asyncio.sleep(0.1)

    async def make_answer(self, chance: random.Random) -> None:
        is_streamed = chance.random() < 0.7
        question, request = self.request(chance, is_streamed)
        self.outcomes.note("stream" if is_streamed else "whole", await ask(self.place, request), question)

    async def make_cancel(self, chance: random.Random) -> None:
        """Leaves at once, while it waits, or after the first text."""
        _, request = self.request(chance, is_streamed=True)
        moment = chance.choice(["at once", "while waiting", "after text"])
        async with connection(self.place, request) as (reader, _):
            if moment == "while waiting":
                await asyncio.sleep(chance.uniform(0, 1))
            elif moment == "after text":
                await reader.readuntil(b'"delta":{"content"')
        self.outcomes.expected[f"left {moment}"] += 1

    async def make_stall(self, chance: random.Random) -> None:
        """Stops in the middle of its body, or before it reads, and goes on."""
        question, request = self.request(chance, is_streamed=True)
        seconds = chance.uniform(*STALL_SECONDS)
        sends_late = chance.random() < 0.5
        first = request[: len(request) // 2] if sends_late else request
        async with connection(self.place, first) as (reader, writer):
            await asyncio.sleep(seconds)
            started = time.monotonic()
            writer.write(request[len(first) :])
            answer = await read_answer(reader, started)
        answer.first_token_seconds = None
        self.outcomes.note("late body" if sends_late else "late reader", answer, question)

    async def make_broken(self, chance: random.Random) -> None:
        broken = chance.choice(self.broken)
        try:
            status = (await ask(self.place, broken.request)).status
        except (EOFError, ConnectionError):
            status = 0
        if status in broken.statuses:
            self.outcomes.expected[f"{broken.name} {status or 'cut'}"] += 1
        else:
            self.outcomes.unexpected.append(f"{broken.name}: status {status}")


async def measure(program: Program, clients: int, minutes: float, shares: Shares) -> dict:
    """Runs the mix, and reports its outcome."""
    return (await watched(program, clients, minutes, shares))[0]


async def watched(
    program: Program, clients: int, minutes: float, shares: Shares
) -> tuple[dict, list[Sample]]:
    """Runs the mix, and reports its outcome and what the server held meanwhile."""
    files = await asyncio.to_thread(pictures, PICTURES)
    async with running(program, "--max-queue", str(2 * clients), "--quiet") as server:
        mix = Mix(server.place, shares, files)
        watch = Watch(server.process.pid, lambda: len(mix.outcomes.seconds))
        started = time.monotonic()
        end = started + 60 * minutes
        with watch.sampled():
            await asyncio.gather(*(mix.client(number, end) for number in range(clients)))
            seconds = time.monotonic() - started
            await server.wait_until_idle()
        return {**figures(mix.outcomes, seconds), **await remains(server, watch.samples)}, watch.samples


def figures(outcomes: Outcomes, seconds: float) -> dict:
    answered = len(outcomes.seconds)
    groups: dict[str, int] = defaultdict(int)
    for name, count in sorted(outcomes.expected.items()):
        groups[name] += count
    return {
        "seconds": rounded(seconds),
        "answers": answered,
        "pictures_per_minute": rounded(60 * answered / seconds),
        "first_token_seconds": spread(outcomes.first_tokens),
        "answer_seconds": spread(outcomes.seconds),
        "expected": dict(groups),
        "unexpected": len(outcomes.unexpected),
        "unexpected_examples": list(itertools.islice(dict.fromkeys(outcomes.unexpected), 10)),
    }


async def remains(server: Server, samples: list[Sample]) -> dict:
    """What is left when everybody is gone."""
    resident = [sample.resident for sample in samples] or [server.memory()]
    warm = resident[int(len(resident) * WARM_UP) :]
    grown = growth(samples, lambda sample: sample.resident, lambda sample: sample.seconds / 60)
    return {
        "resident_mib": {
            "at_the_start": mebibytes(resident[0]),
            "after_the_warm_up": mebibytes(warm[0]),
            "most": mebibytes(max(warm)),
            "at_the_end": mebibytes(warm[-1]),
            "growth_per_minute_in_the_second_half": mebibytes(grown),
        },
        "requests_open_at_the_end": int(await server.metric("requests_open")) - 1,
        "bytes_in_flight_at_the_end": int(await server.metric("bytes_in_flight")),
    }
