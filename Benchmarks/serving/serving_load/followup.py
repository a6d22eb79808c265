# SPDX-License-Identifier: Apache-2.0
"""How soon the answer to a second question about a picture begins."""

from __future__ import annotations

from .client import Answer, Place, ask, chat
from .pictures import body, drawn, user
from .report import rounded, spread
from .server import LoadError, Program, running

ANSWER_TOKENS = 32
FIRST, SECOND = "Describe the picture.", "What is at the top left?"


async def question(place: Place, messages: list[dict], keep: str) -> Answer:
    fields = {
        "max_tokens": ANSWER_TOKENS, "ignore_eos": True, "keep": keep,
        "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    answer = await ask(place, chat(body(messages, **fields)))
    if answer.status != 200 or answer.first_token_seconds is None:
        raise LoadError(f"a question was answered with status {answer.status} and no text")
    return answer


async def measure(program: Program, budgets: list[str], rounds: int) -> dict:
    """First tokens of first and second questions, with and without what the server has kept."""
    figures: dict[str, dict] = {}
    async with running(program, "--parallel", "1", "--quiet") as server:
        await question(server.place, [user(FIRST, drawn(999, (336, 336), "PNG"))], budgets[0])
        for keep in budgets:
            taken: dict[str, list[Answer]] = {}
            for number in range(rounds):
                await one_round(server.place, keep, 2 * number, taken)
            figures[f"keep_{keep}"] = {name: case(answers) for name, answers in taken.items()}
    return figures


async def one_round(place: Place, keep: str, number: int, taken: dict[str, list[Answer]]) -> None:
    """Four questions, of which the server knows less and more."""
    salt = int.from_bytes(keep.encode()) % 9973 * 100
    file, other = (drawn(salt + number + each, (800, 600), "JPEG") for each in (0, 1))
    first = [user(FIRST, file)]
    new = await question(place, first, keep)
    said = {"role": "assistant", "content": new.text}
    then = {"role": "user", "content": SECOND}
    follow = await question(place, [*first, said, then], keep)
    again = await question(place, [user(SECOND, file)], keep)
    # The same conversation about a picture that the server has not seen: nothing of it is kept.
    fresh = await question(place, [user(FIRST, other), said, then], keep)
    for name, answer in (
        ("first_question_new_picture", new),
        ("follow_up_in_the_conversation", follow),
        ("follow_up_without_caches", fresh),
        ("other_question_known_picture", again),
    ):
        taken.setdefault(name, []).append(answer)


def case(answers: list[Answer]) -> dict:
    usage = answers[0].document.get("usage", {})
    return {
        "first_token_seconds": spread([answer.first_token_seconds or 0 for answer in answers]),
        "prompt_tokens": usage.get("prompt_tokens"),
        "cached_tokens": usage.get("prompt_tokens_details", {}).get("cached_tokens"),
        "vision_seconds": rounded(answers[0].document.get("trimllava", {}).get("seconds", {}).get("vision")),
    }
