# SPDX-License-Identifier: Apache-2.0
"""Captions for Ray Data: one model per node, many pictures in flight inside each batch.

    from trimllava.ray import caption_dataset

    pictures = ray.data.read_binary_files("photos/", include_paths=True)
    caption_dataset(pictures, model="llava.gguf", mmproj="mmproj.gguf", keep=64).write_parquet("captions/")

Needs `pip install "trimllava[ray]"` and Ray 2.49 or later.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._answers import Caption
from ._errors import TrimLLaVAError
from ._llava import QUESTION, LLaVA

if TYPE_CHECKING:
    import ray.data

_BATCH_SIZE = 64
"""Pictures per call: several times what is in flight, so that few places stay empty at a batch's end."""

_PICTURE_SUFFIXES = ["jpg", "jpeg", "png", "webp"]


class Captioner:
    """A callable class for `Dataset.map_batches`: adds the captions of a batch of pictures.

    Each actor starts a server of its own. A batch has a column `bytes` with encoded pictures, or a column
    `path` with files that this node can read; `bytes` is taken out of the result. A picture that fails is a
    row with `error`, never an exception.

    Columns added: caption, error, stop_reason, visual_tokens, kept_tokens, prompt_tokens,
    completion_tokens, seconds, model.

    Args:
        question: what is asked about every picture.
        in_flight: pictures at the server at the same time.
        arguments: passed to `trimllava.LLaVA`: model, mmproj, keep, selector, options, threads, url, …
    """

    def __init__(self, question: str = QUESTION, in_flight: int = 16, **arguments: Any) -> None:
        self._question = question
        self._in_flight = in_flight
        self._llava = LLaVA(**arguments)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        pictures = batch["bytes"] if "bytes" in batch else batch["path"]
        captions = list(
            self._llava.caption(list(pictures), self._question, in_flight=self._in_flight)
        )
        kept = {name: column for name, column in batch.items() if name != "bytes"}
        return {**kept, **_columns(captions)}


def _columns(captions: Sequence[Caption]) -> dict[str, list[Any]]:
    answers = [caption.answer for caption in captions]

    def column(value: Any) -> list[Any]:
        return [None if answer is None else value(answer) for answer in answers]

    return {
        "caption": column(lambda answer: answer.text),
        "error": [caption.error for caption in captions],
        "stop_reason": column(lambda answer: answer.stop_reason),
        "visual_tokens": column(lambda answer: answer.visual_tokens),
        "kept_tokens": column(lambda answer: answer.kept_tokens),
        "prompt_tokens": column(lambda answer: answer.prompt_tokens),
        "completion_tokens": column(lambda answer: answer.completion_tokens),
        "seconds": column(lambda answer: answer.seconds.get("total")),
        "model": column(lambda answer: answer.model),
    }


def caption_dataset(
    pictures: ray.data.Dataset,
    *,
    question: str = QUESTION,
    actors: int | tuple[int, int] = 1,
    cpus: float | None = None,
    memory: int | None = None,
    resources: Mapping[str, float] | None = None,
    batch_size: int = _BATCH_SIZE,
    in_flight: int = 16,
    **arguments: Any,
) -> ray.data.Dataset:
    """A dataset with the captions of another one that has the column `bytes` or `path`.

    Args:
        actors: how many models are loaded in the cluster, or the fewest and the most of them.
        cpus: cores that Ray reserves for an actor; its server gets as many threads.
        memory: bytes that Ray reserves for an actor: what `trimllava inspect --memory` says.
        resources: further resources of an actor, such as {"trimllava": 1}.
        arguments: passed to `trimllava.LLaVA`.
    """
    from ray.data import ActorPoolStrategy

    least, most = (actors, actors) if isinstance(actors, int) else actors
    options: dict[str, Any] = {"num_cpus": 1.0 if cpus is None else cpus}
    if cpus is not None and cpus >= 1:
        arguments.setdefault("threads", int(cpus))
    if memory is not None:
        options["memory"] = memory
    if resources is not None:
        options["resources"] = dict(resources)
    return pictures.map_batches(
        Captioner,
        fn_constructor_kwargs={"question": question, "in_flight": in_flight, **arguments},
        batch_size=batch_size,
        batch_format="numpy",
        compute=ActorPoolStrategy(min_size=least, max_size=most),
        **options,
    )


def read_pictures(source: str) -> ray.data.Dataset:
    """A dataset with the columns `path` and `bytes`, of a folder, of webdataset tars, or of parquet files.

    Parquet files have a column `bytes` or `image` (bytes, or the structure {bytes, path} that Hugging Face
    writes), and `path` or `id`.

    Raises TrimLLaVAError if the source holds none of these.
    """
    import ray.data

    names = _file_names(source)
    if any(name.endswith(".tar") for name in names):
        dataset = ray.data.read_webdataset(source, decoder=None, include_paths=True)
        return dataset.map(_webdataset_row)
    if any(name.endswith(".parquet") for name in names):
        return ray.data.read_parquet(source).map(_parquet_row)
    if any(name.lower().endswith(tuple(_PICTURE_SUFFIXES)) for name in names):
        suffixes = [*_PICTURE_SUFFIXES, *(suffix.upper() for suffix in _PICTURE_SUFFIXES)]
        return ray.data.read_binary_files(source, include_paths=True, file_extensions=suffixes)
    raise TrimLLaVAError(f"{source}: no pictures, no .tar and no .parquet files")


def _file_names(source: str) -> list[str]:
    """The names of all files below a folder, or the file's own."""
    if os.path.isfile(source):
        return [source]
    return [name for _, _, names in os.walk(source) for name in names]


def _webdataset_row(row: dict[str, Any]) -> dict[str, Any]:
    suffix = next((name for name in row if name.lower() in _PICTURE_SUFFIXES), None)
    content = b"" if suffix is None else row[suffix]
    return {"path": f"{row['path']}:{row['__key__']}", "bytes": content}


def _parquet_row(row: dict[str, Any]) -> dict[str, Any]:
    picture = row["bytes"] if "bytes" in row else row.get("image")
    name = row.get("path", row.get("id"))
    if isinstance(picture, Mapping):
        name = name or picture.get("path")
        picture = picture.get("bytes")
    return {"path": str(name), "bytes": bytes(picture or b"")}


def _webdataset_of(row: dict[str, Any]) -> dict[str, Any]:
    """A record as a member of a tar: its key without dots, which end a webdataset key."""
    key = row["path"].replace("\\", "/").lstrip("/").replace(".", "_")
    return {"__key__": key, "txt": row["caption"] or "", "json": json.dumps(row).encode()}


_FORMATS = ("parquet", "jsonl", "webdataset")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trimllava.ray",
        description="Captions the pictures of a folder, of webdataset tars or of parquet files on a Ray "
        "cluster. Started again with the same OUTPUT, it goes on where it was.",
    )
    parser.add_argument("input", metavar="INPUT")
    parser.add_argument("output", metavar="OUTPUT", help="a folder that all nodes see")
    parser.add_argument("--format", choices=_FORMATS, default="parquet", help="default: %(default)s")
    parser.add_argument("--model", "-m", help="the text model's GGUF file; default: the demonstration model")
    parser.add_argument("--mmproj", help="the vision tower's GGUF file")
    parser.add_argument("--prompt", "-p", default=QUESTION, help="default: %(default)s")
    parser.add_argument("--keep", help='visual tokens kept of a picture: a number, "25%%" or "auto"')
    parser.add_argument("--selector", help="the rule that chooses them")
    parser.add_argument("--max-tokens", type=int, help="the longest caption")
    parser.add_argument("--actors", type=int, default=1, help="models in the cluster; default: %(default)s")
    parser.add_argument("--cpus", type=float, help="cores of an actor")
    parser.add_argument("--memory", type=int, help="bytes of an actor")
    parser.add_argument(
        "--resource", action="append", default=[], metavar="NAME",
        help="a custom resource of which an actor takes one",
    )  # fmt: skip
    parser.add_argument("--in-flight", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--checkpoint", metavar="FOLDER", help="default: OUTPUT.checkpoint")
    parser.add_argument("--address", help="the cluster's address; default: RAY_ADDRESS, or a local cluster")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    options = _arguments().parse_args(arguments)
    import ray
    from ray.data import DataContext
    from ray.data.checkpoint import CheckpointConfig

    from ._requests import Options

    ray.init(address=options.address, ignore_reinit_error=True, log_to_driver=False)
    checkpoint = options.checkpoint or options.output.rstrip("/") + ".checkpoint"
    DataContext.get_current().checkpoint_config = CheckpointConfig(
        id_column="path", checkpoint_path=checkpoint, delete_checkpoint_on_success=False
    )
    captions = caption_dataset(
        read_pictures(options.input),
        question=options.prompt,
        actors=options.actors,
        cpus=options.cpus,
        memory=options.memory,
        resources=dict.fromkeys(options.resource, 1.0) or None,
        in_flight=options.in_flight,
        model=options.model,
        mmproj=options.mmproj,
        options=Options(keep=options.keep, selector=options.selector, max_tokens=options.max_tokens),
    )
    if options.format == "parquet":
        captions.write_parquet(options.output)
    elif options.format == "jsonl":
        captions.write_json(options.output, force_ascii=False)
    else:
        captions.map(_webdataset_of).write_webdataset(options.output)


if __name__ == "__main__":
    try:
        main()
    except TrimLLaVAError as error:
        sys.exit(f"python -m trimllava.ray: {error}")
