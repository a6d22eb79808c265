# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests, and answers out of events."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from ._answers import Answer, PruneMap
from ._errors import ConnectionLost
from ._pictures import Picture, data_url


@dataclass(frozen=True)
class Options:
    """How an answer is generated; what is None is left to the server."""

    keep: int | str | None = None
    """Visual tokens kept of a picture: a number, a share such as "25%", "auto" or "auto:95%"."""
    selector: str | None = None
    """The rule that chooses them."""
    positions: str | None = None
    """"original" or "compact" positions of the kept tokens."""
    merge: str | None = None
    """"mean", "weighted", "tome", "visionzip" or "prumerge" to merge dropped tokens into kept ones."""
    share_budget: bool | None = None
    """Whether the pictures of one question share one budget."""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: Sequence[str] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the request's body."""

    def fields(self) -> dict[str, Any]:
        """The fields of a request's body."""
        named = {name: value for name, value in vars(self).items() if name != "extra"}
        return {
            **{name: value for name, value in named.items() if value is not None},
            **self.extra,
        }


def user_message(
    question: str, pictures: Iterable[Picture], address: Callable[[Picture], str] = data_url
) -> dict[str, Any]:
    """The pictures, by their addresses, then the question."""
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": address(picture)}} for picture in pictures
    ]
    return {"role": "user", "content": [*parts, {"type": "text", "text": question}]}


def body(
    messages: Sequence[Mapping[str, Any]], options: Options, *, is_streamed: bool = True, **more: Any
) -> dict[str, Any]:
    """A request. While somebody reads a streamed answer, the server works in smaller steps."""
    streaming = {"stream": True, "stream_options": {"include_usage": True}} if is_streamed else {}
    return {"messages": list(messages), **streaming, **options.fields(), **more}


class AnswerEvents:
    """The pieces of one answer, and the answer when they have come."""

    def __init__(self, events: Generator[dict[str, Any], None, None]) -> None:
        self._events = events
        self._text: list[str] = []
        self._stop_reason: str | None = None
        self._last: dict[str, Any] | None = None

    def pieces(self) -> Iterator[str]:
        """The text as it comes."""
        with closing(self._events):
            for event in self._events:
                if event.get("usage"):
                    self._last = event
                for choice in event.get("choices", ()):
                    self._stop_reason = choice.get("finish_reason") or self._stop_reason
                    piece = choice.get("delta", {}).get("content")
                    if piece:
                        self._text.append(piece)
                        yield piece

    def report(self) -> dict[str, Any]:
        """What the server says about the pruning."""
        report = self._whole().get("trimllava")
        return report if isinstance(report, dict) else {}

    def _whole(self) -> dict[str, Any]:
        if self._last is None or self._stop_reason is None:
            raise ConnectionLost("the server ended the answer before it was whole")
        return self._last

    def answer(self) -> Answer:
        """The answer, once all pieces have come."""
        last, report = self._whole(), self.report()
        assert self._stop_reason is not None
        usage = last["usage"]
        return Answer(
            text="".join(self._text),
            stop_reason=self._stop_reason,
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
            cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
            visual_tokens=report.get("visual_tokens", 0),
            kept_tokens=report.get("kept_tokens", 0),
            kv_cache_bytes=report.get("kv_cache_bytes", 0),
            model=last.get("model", ""),
            selector=report.get("selector"),
            seconds=report.get("seconds", {}),
        )

    def prune_maps(self) -> list[PruneMap]:
        """Which tokens were kept, picture by picture, once all pieces have come."""
        return [PruneMap._read(picture) for picture in self.report().get("pictures", ())]
