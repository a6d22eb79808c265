# SPDX-License-Identifier: Apache-2.0
"""The captions of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._answers import Answer, Caption
from .._errors import TrimLLaVAError
from .._llava import QUESTION, LLaVA
from .._pictures import data_url, file_url

if TYPE_CHECKING:
    import pyarrow
    import ray.data

BATCH_SIZE = 32
"""Pictures per call. Where a worker dies, those of at most `CALLS` calls are captioned again."""

CALLS = 2
"""Calls at the same time: one keeps the server busy while the other ends."""

IN_FLIGHT = 32
"""Pictures of an actor at its server at the same time: twice as many as it answers, so that some wait."""


class Captioner:
    """A callable class for `Dataset.map_batches`: adds the captions of a batch of pictures.

    Each actor starts a server of its own. A batch has a column `bytes` with encoded pictures, or a column
    `path` with files that this node can read; where it has both, a row without bytes is read by its path.
    `bytes` is taken out of the result. A picture that fails is a row with `error`, never an exception; so is
    one whose caption is empty. A row that has an `error` already keeps it.

    Columns added: caption, error, stop_reason, visual_tokens, kept_tokens, prompt_tokens,
    completion_tokens, seconds, model.

    Args:
        question: what is asked about every picture.
        in_flight: pictures at the server at the same time. Those of an earlier call come first, so that a
            death finds little of the next batch done.
        arguments: passed to `trimllava.LLaVA`: model, mmproj, keep, selector, max_tiles, max_pixels,
            tower_keep, options, threads, url, …

    Raises ProgramError if the server does not start.
    """

    def __init__(self, question: str = QUESTION, in_flight: int = IN_FLIGHT, **arguments: Any) -> None:
        self._question = question
        given = list(arguments.pop("arguments", ()))
        self._llava = LLaVA(arguments=["--media-path", "/", *given], **arguments)
        # Only this actor talks to its child, which reads files by itself unless it is told from where.
        is_told = any(argument.split("=")[0] == "--media-path" for argument in given)
        self._address = data_url if is_told or self._llava.is_remote else file_url
        self._threads = ThreadPoolExecutor(in_flight, thread_name_prefix="trimllava")

    def __call__(self, batch: pyarrow.Table | dict[str, Any]) -> pyarrow.Table:
        from ray.data.block import BlockAccessor

        table = BlockAccessor.batch_to_arrow_block(batch) if isinstance(batch, dict) else batch
        earlier, contents, paths = (_column(table, name) for name in ("error", "bytes", "path"))
        wanted = [row for row, error in enumerate(earlier) if error is None]
        pictures = [paths[row] if contents[row] is None else contents[row] for row in wanted]
        answers = self._threads.map(self._caption, pictures)
        captions = [Caption(row, None, None, error) for row, error in enumerate(earlier)]
        for row, caption in zip(wanted, answers, strict=True):
            captions[row] = caption
        kept = table.drop_columns([name for name in ("bytes", "error") if name in table.column_names])
        for name, column in _columns(captions).items():
            kept = kept.append_column(name, column)
        return kept

    def _caption(self, picture: str | bytes) -> Caption:
        return self._llava._caption(0, picture, self._question, address=self._address)


def _column(table: pyarrow.Table, name: str) -> list[Any]:
    """A column's values; None where there is no such column."""
    return table[name].to_pylist() if name in table.column_names else [None] * table.num_rows


def _columns(captions: Sequence[Caption]) -> dict[str, pyarrow.Array]:
    """Columns with the same types in every batch, whether or not a picture of it failed."""
    import pyarrow as pa

    answers = [None if caption.text == "" else caption.answer for caption in captions]
    errors = ["the caption is empty" if caption.text == "" else caption.error for caption in captions]

    def column(kind: Any, value: Callable[[Answer], Any]) -> Any:
        return pa.array([None if answer is None else value(answer) for answer in answers], kind)

    return {
        "caption": column(pa.string(), lambda answer: answer.text),
        "error": pa.array(errors, pa.string()),
        "stop_reason": column(pa.string(), lambda answer: answer.stop_reason),
        "visual_tokens": column(pa.int64(), lambda answer: answer.visual_tokens),
        "kept_tokens": column(pa.int64(), lambda answer: answer.kept_tokens),
        "prompt_tokens": column(pa.int64(), lambda answer: answer.prompt_tokens),
        "completion_tokens": column(pa.int64(), lambda answer: answer.completion_tokens),
        "seconds": column(pa.float64(), lambda answer: answer.seconds.get("total")),
        "model": column(pa.string(), lambda answer: answer.model),
    }


@dataclass(frozen=True)
class Nodes:
    """The nodes of the running cluster that have cores to give."""

    count: int
    cores: int
    """Of the smallest of them."""

    @classmethod
    def alive(cls) -> Nodes:
        import ray

        if not ray.is_initialized():
            ray.init()
        cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        working = [count for count in cores if count >= 1]
        if not working:
            raise TrimLLaVAError(
                "no node of the cluster has a core: name actors and cpus for a cluster that grows"
            )
        return cls(len(working), min(working))


def caption_dataset(
    pictures: ray.data.Dataset,
    *,
    question: str = QUESTION,
    actors: int | tuple[int, int] | None = None,
    cpus: int | None = None,
    memory: int | None = None,
    resources: Mapping[str, float] | None = None,
    batch_size: int = BATCH_SIZE,
    in_flight: int = IN_FLIGHT,
    **arguments: Any,
) -> ray.data.Dataset:
    """A dataset with the captions of another one that has the column `bytes` or `path`.

    Args:
        actors: how many models are loaded in the cluster, or the fewest and the most of them; by default
            one for each node.
        cpus: threads of an actor's server; by default the cores of the smallest node. Ray reserves one core
            less, but at least one. The core that is left takes the pipeline's other steps; where a node has
            one core alone, they must ask for none (num_cpus=0), as `read_pictures` does.
        memory: bytes that Ray reserves for an actor; `trimllava inspect --memory` estimates them.
        resources: further resources of an actor, such as {"trimllava": 1}.
        batch_size: pictures per call. Two calls of an actor run at the same time.
        in_flight: pictures of an actor at its server at the same time.
        arguments: passed to `trimllava.LLaVA`.
    """
    from ray.data import ActorPoolStrategy

    if actors is None or cpus is None:
        nodes = Nodes.alive()
        actors = nodes.count if actors is None else actors
        cpus = nodes.cores if cpus is None else cpus
    least, most = (actors, actors) if isinstance(actors, int) else actors
    # Without a core, Ray would put any number of actors on one node.
    options: dict[str, Any] = {"num_cpus": max(1, cpus - 1)}
    if "url" not in arguments:
        arguments.setdefault("threads", cpus)
    if memory is not None:
        options["memory"] = memory
    if resources is not None:
        options["resources"] = dict(resources)
    return pictures.map_batches(
        Captioner,
        fn_constructor_kwargs={"question": question, "in_flight": in_flight, **arguments},
        batch_size=batch_size,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(
            min_size=least,
            max_size=most,
            max_tasks_in_flight_per_actor=2 * CALLS,
            max_concurrent_calls_per_actor=CALLS,
            enable_true_multi_threading=True,
        ),
        **options,
    )
