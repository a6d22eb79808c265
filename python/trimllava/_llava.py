# SPDX-License-Identifier: Apache-2.0
"""The client."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from types import TracebackType
from typing import Any

from ._answers import Answer, Caption, PruneMap
from ._connection import Address
from ._errors import ConnectionLost, ProgramError, TrimLLaVAError
from ._pictures import Picture, data_url, name_of
from ._program import ServerProcess
from ._requests import AnswerEvents, Options, body, user_message

QUESTION = "Describe this picture."
"""What is asked where no question is given, as by `trimllava caption`."""


class LLaVA:
    """A model that answers questions about pictures.

    Without `url` it starts the program's server as a child, which ends with it; a child that dies is
    started again. Without a model the child loads the demonstration model. All methods may be called from
    many threads.

        with LLaVA("llava.gguf", "mmproj.gguf", keep=64) as llava:
            print(llava.describe("photo.jpg", "What is in the picture?"))

    Args:
        model: the text model's GGUF file, or a model's name, which needs no `mmproj`.
        mmproj: the vision tower's GGUF file.
        url: a running server: `http://host:port`, `https://host:port/prefix` or `unix:/path/of/socket`.
        keep: visual tokens kept of a picture: a number, a share such as "25%", or "auto"; None is the
            server's default.
        selector: the rule that chooses them.
        options: how answers are generated where a call says nothing else.
        max_tiles: the most tiles into which the child cuts a picture; None for as many as the model was
            trained on.
        max_pixels: the most pixels to which the child scales a picture that is not cut into tiles.
        tower_keep: the share of a picture's patches that the child's vision tower sees, such as "75%".
        threads: threads of the child.
        parallel: answers that the child generates at the same time.
        arguments: further arguments of `trimllava serve`.
        api_key: the key of a server that asks for one.
        program: the program, instead of the one that is found.
        patience: seconds for which a full server is asked again.

    Raises ProgramError, ConnectionLost, RequestError.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        mmproj: str | os.PathLike[str] | None = None,
        *,
        url: str | None = None,
        keep: int | str | None = None,
        selector: str | None = None,
        options: Options | None = None,
        max_tiles: int | None = None,
        max_pixels: int | None = None,
        tower_keep: str | None = None,
        threads: int | None = None,
        parallel: int | None = None,
        arguments: Sequence[str] = (),
        api_key: str | None = None,
        program: str | os.PathLike[str] | None = None,
        patience: float = 600.0,
    ) -> None:
        if url is None:
            url = os.environ.get("TRIMLLAVA_URL") if model is None else None
        if url is not None and (model is not None or mmproj is not None):
            raise ValueError("a server at an address has its own model: pass url or model, not both")
        limits = {"max_tiles": max_tiles, "max_pixels": max_pixels, "tower_keep": tower_keep}
        given_limits = {name: limit for name, limit in limits.items() if limit is not None}
        if url is not None and given_limits:
            name = next(iter(given_limits))
            raise ValueError(f"a server at an address has its own limits: pass url or {name}, not both")
        given = options or Options()
        self._options = dataclasses.replace(
            given,
            keep=given.keep if keep is None else keep,
            selector=given.selector if selector is None else selector,
        )
        self._api_key = api_key
        self._patience = patience
        self._program = None if program is None else os.fspath(program)
        self._arguments = [
            *(["-m", os.fspath(model)] if model is not None else []),
            *(["--mmproj", os.fspath(mmproj)] if mmproj is not None else []),
            *(f"--{name.replace('_', '-')}={limit}" for name, limit in given_limits.items()),
            *(["--threads", str(threads)] if threads is not None else []),
            *(["--parallel", str(parallel)] if parallel is not None else []),
            *arguments,
        ]
        self._starting = threading.Lock()
        self._is_closed = False
        self._child: ServerProcess | None = None
        self._remote = None if url is None else Address(url, api_key=api_key)
        self._address()

    def _address(self) -> Address:
        """Where the server listens; starts a child that is not running."""
        if self._remote is not None:
            return self._remote
        with self._starting:
            if self._is_closed:
                raise ProgramError("the model was closed")
            if self._child is not None and not self._child.is_running:
                self._child.close()
                self._child = None
            if self._child is None:
                self._child = ServerProcess(self._arguments, program=self._program)
            return Address(self._child.url, api_key=self._api_key)

    @property
    def is_remote(self) -> bool:
        """Whether a server at an address answers, not a child."""
        return self._remote is not None

    def close(self) -> None:
        """Ends the child. A server at an address goes on."""
        with self._starting:
            self._is_closed = True
            if self._child is not None:
                self._child.close()
                self._child = None

    def __enter__(self) -> LLaVA:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def info(self) -> dict[str, Any]:
        """What the server says about its model: id, context, selectors, default_keep, …"""
        models: list[dict[str, Any]] = self._address().get("/v1/models")["data"]
        return models[0]

    def describe(
        self,
        picture: Picture | Sequence[Picture],
        question: str = QUESTION,
        *,
        options: Options | None = None,
        **changes: Any,
    ) -> Answer:
        """The answer to a question about one picture or several.

        `changes` replace single options: `keep=64`, `max_tokens=200`, `temperature=0.7`, …

        Raises PictureError, RequestError, ConnectionLost.
        """
        messages = [user_message(question, _pictures(picture))]
        return self._answer(messages, self._with(options, changes))[0]

    def stream(
        self,
        picture: Picture | Sequence[Picture],
        question: str = QUESTION,
        *,
        options: Options | None = None,
        **changes: Any,
    ) -> Iterator[str]:
        """The answer piece by piece. Leaving the loop ends the server's work.

        Raises PictureError, RequestError, ConnectionLost.
        """
        messages = [user_message(question, _pictures(picture))]
        return self._events(messages, self._with(options, changes)).pieces()

    def chat(
        self,
        messages: Sequence[dict[str, Any]],
        *,
        options: Options | None = None,
        **changes: Any,
    ) -> Answer:
        """The answer to a conversation in the form of OpenAI's chat completions.

        Raises RequestError, ConnectionLost.
        """
        return self._answer(messages, self._with(options, changes))[0]

    def prune_map(
        self,
        picture: Picture,
        question: str = QUESTION,
        *,
        options: Options | None = None,
        **changes: Any,
    ) -> PruneMap:
        """Which visual tokens of a picture are kept for a question.

        Raises PictureError, RequestError, ConnectionLost.
        """
        messages = [user_message(question, [picture])]
        wanted = self._with(options, {**changes, "max_tokens": 1})
        return self._answer(messages, wanted, prune_map=True)[1][0]

    def caption(
        self,
        pictures: Iterable[Picture],
        question: str = QUESTION,
        *,
        in_flight: int = 16,
        ordered: bool = True,
        options: Options | None = None,
        **changes: Any,
    ) -> Iterator[Caption]:
        """A caption for each picture, with `in_flight` of them at the server at the same time.

        Pictures are taken from the iterable as they are needed. A picture that fails is a caption with
        `error`; the others go on. A child that dies is started again, and its pictures are asked anew, twice
        at most.

        Raises ProgramError if the child cannot be started again.
        """
        wanted = self._with(options, changes)

        def work(index: int, picture: Picture) -> Caption:
            return self._caption(index, picture, question, wanted)

        return _many(work, pictures, in_flight, ordered)

    def _caption(
        self,
        index: int,
        picture: Picture,
        question: str,
        options: Options | None = None,
        address: Callable[[Picture], str] = data_url,
    ) -> Caption:
        """The caption of one picture, which is sent as the address that it is given.

        Raises ProgramError if the child cannot be started again.
        """
        wanted = self._options if options is None else options
        try:
            message = user_message(question, [picture], address)
            answer = self._answer([message], wanted, is_streamed=False)[0]
            return Caption(index, name_of(picture), answer, None)
        except ProgramError:
            raise
        except TrimLLaVAError as error:
            return Caption(index, name_of(picture), None, str(error))

    def _with(self, options: Options | None, changes: dict[str, Any]) -> Options:
        base = self._options
        if options is not None:
            chosen = {name: value for name, value in vars(options).items() if value is not None}
            base = dataclasses.replace(base, **chosen)
        return dataclasses.replace(base, **changes)

    def _events(self, messages: Sequence[dict[str, Any]], options: Options, **more: Any) -> AnswerEvents:
        address = self._address()
        events = address.events(
            "/v1/chat/completions", body(messages, options, **more), patience=self._patience
        )
        return AnswerEvents(events)

    def _answer(
        self, messages: Sequence[dict[str, Any]], options: Options, **more: Any
    ) -> tuple[Answer, list[PruneMap]]:
        """A whole answer; asked anew, after these seconds, where the connection broke."""
        pauses = [0.2, 1.0]
        while True:
            try:
                events = self._events(messages, options, **more)
                for _ in events.pieces():
                    pass
                return events.answer(), events.prune_maps() if "prune_map" in more else []
            except ConnectionLost:
                if not pauses:
                    raise
                time.sleep(pauses.pop(0))


def _pictures(picture: Picture | Sequence[Picture]) -> list[Picture]:
    return list(picture) if isinstance(picture, (list, tuple)) else [picture]


def _many(
    work: Callable[[int, Picture], Caption], pictures: Iterable[Picture], in_flight: int, ordered: bool
) -> Iterator[Caption]:
    """Works on `in_flight` pictures at a time; gives captions in order, or as they come."""
    if in_flight < 1:
        raise ValueError(f"in_flight is at least 1, not {in_flight}")
    with ThreadPoolExecutor(in_flight, thread_name_prefix="trimllava") as threads:
        source = enumerate(pictures)
        waiting: deque[Future[Caption]] = deque()
        try:
            while True:
                for index, picture in islice(source, in_flight - len(waiting)):
                    waiting.append(threads.submit(work, index, picture))
                if not waiting:
                    return
                yield _next_done(waiting, ordered)
        finally:
            for future in waiting:
                future.cancel()


def _next_done(waiting: deque[Future[Caption]], ordered: bool) -> Caption:
    """Takes the next result out: the first given, or the first that is there."""
    if ordered:
        return waiting.popleft().result()
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    first = next(future for future in waiting if future in done)
    waiting.remove(first)
    return first.result()
