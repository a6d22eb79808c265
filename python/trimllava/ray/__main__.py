# SPDX-License-Identifier: Apache-2.0
"""`python -m trimllava.ray INPUT OUTPUT`: captions pictures on a Ray cluster."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

from .._errors import TrimLLaVAError
from .._llava import QUESTION
from .._requests import Options
from ._captioner import BATCH_SIZE, IN_FLIGHT, Nodes, caption_dataset
from ._job import Job
from ._reading import dataset_of, parts_of

_SHOWN_FAILURES = 20
_LARGEST_BLOCK = 8 << 20  # bytes of pictures, which bounds how much of an archive is captioned again


def _share(text: str) -> str | None:
    """A share in one form for equal ones, None for all; the program refuses what is no share."""
    try:
        percent = float(text.removesuffix("%")) if text.endswith("%") else None
    except ValueError:
        percent = None
    if percent is None:
        return text
    return None if percent == 100 else f"{percent:g}%"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trimllava.ray",
        description="Captions the pictures of a folder, of webdataset tars or of parquet files on a Ray "
        "cluster. Started again with the same OUTPUT, it continues where it stopped. The exit code is 0 if "
        "all pictures have captions, 1 if some failed, 2 for wrong usage.",
    )
    parser.add_argument(
        "input", metavar="INPUT",
        help="a folder of pictures, of webdataset tars or of parquet files, or one such file",
    )  # fmt: skip
    parser.add_argument("output", metavar="OUTPUT", help="a folder that all nodes see")
    parser.add_argument("--format", choices=Job.FORMATS, default="parquet", help="default: %(default)s")
    parser.add_argument("--model", "-m", help="the text model's GGUF file; default: the demonstration model")
    parser.add_argument("--mmproj", help="the vision tower's GGUF file")
    parser.add_argument("--prompt", "-p", default=QUESTION, help="default: %(default)s")
    parser.add_argument("--keep", help='visual tokens kept of a picture: a number, "25%%" or "auto"')
    parser.add_argument("--selector", help="the method that selects them")
    parser.add_argument("--max-tiles", type=int, help="the most tiles that a picture is cut into")
    parser.add_argument(
        "--max-pixels", type=int, help="the most pixels of a picture that is not cut into tiles"
    )
    parser.add_argument(
        "--tower-keep",
        type=_share,
        help='the share of a picture\'s patches that the vision tower sees, such as "75%%"',
    )
    parser.add_argument("--max-tokens", type=int, help="the most tokens of a caption")
    parser.add_argument("--pack-cache", metavar="FOLDER", help="folder for repacked weights, on every node")
    parser.add_argument("--actors", type=int, help="models in the cluster; default: one per node")
    parser.add_argument("--cpus", type=int, help="cores of an actor; default: those of the smallest node")
    parser.add_argument("--memory", type=int, help="bytes that Ray reserves for an actor")
    parser.add_argument(
        "--resource", action="append", default=[], metavar="NAME",
        help="a custom resource of which an actor takes one",
    )  # fmt: skip
    parser.add_argument(
        "--batch", type=int, default=BATCH_SIZE, help="pictures per call; default: %(default)s"
    )
    parser.add_argument(
        "--in-flight", type=int, default=IN_FLIGHT,
        help="pictures of an actor at its server at a time; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--checkpoint", metavar="FOLDER", help="default: OUTPUT.checkpoint")
    parser.add_argument("--address", help="the cluster's address; default: RAY_ADDRESS, or a local cluster")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command, and gives its exit code."""
    parser = _arguments()
    options = parser.parse_args(arguments)
    for name in ("actors", "cpus", "memory", "batch", "in_flight", "max_tiles", "max_pixels", "max_tokens"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} is at least 1, not {getattr(options, name)}")
    try:
        job = _job(options)
        _run(options, job)
        return _report(job)
    except TrimLLaVAError as error:
        print(f"python -m trimllava.ray: {error}", file=sys.stderr)
        return 1


def _job(options: argparse.Namespace) -> Job:
    settings = {
        name: getattr(options, name)
        for name in (
            *("format", "model", "mmproj", "prompt", "keep", "selector"),
            *("max_tiles", "max_pixels", "tower_keep", "max_tokens"),
        )
    }
    return Job(os.path.abspath(options.output), options.checkpoint, settings)


def _run(options: argparse.Namespace, job: Job) -> None:
    import ray
    from ray.data import DataContext
    from ray.data.checkpoint import CheckpointConfig
    from ray.exceptions import RayError

    from ._datasource import CleaningManager

    ray.init(address=options.address, ignore_reinit_error=True, log_to_driver=False)
    job.claim()
    parts = parts_of(os.path.abspath(options.input), options.batch, job.finished())
    if not parts:
        return
    # A dataset keeps the context that it was made in, so this comes first.
    context = DataContext.get_current()
    context.target_max_block_size = _LARGEST_BLOCK
    context.checkpoint_config = CheckpointConfig(
        id_column="id", checkpoint_path=job.done, delete_checkpoint_on_success=False,
        checkpoint_manager_cls=CleaningManager,
    )  # fmt: skip
    given: dict[str, Any] = {}
    if options.pack_cache is not None:
        given["arguments"] = ["--pack-cache", options.pack_cache]
    actors = Nodes.alive().count if options.actors is None else options.actors
    captions = caption_dataset(
        # A reader and a writer are enough for an actor, and each process that Ray starts costs its start.
        dataset_of(parts, readers=actors),
        question=options.prompt,
        actors=actors,
        cpus=options.cpus,
        memory=options.memory,
        resources=dict.fromkeys(options.resource, 1.0) or None,
        batch_size=options.batch,
        in_flight=options.in_flight,
        model=options.model,
        mmproj=options.mmproj,
        max_tiles=options.max_tiles,
        max_pixels=options.max_pixels,
        tower_keep=options.tower_keep,
        options=Options(keep=_budget(options.keep), selector=options.selector, max_tokens=options.max_tokens),
        **given,
    )
    try:
        job.write(captions, writers=actors)
    except RayError as error:
        raise TrimLLaVAError(_reason(error)) from error


def _budget(keep: str | None) -> int | str | None:
    return int(keep) if keep is not None and keep.isdecimal() else keep


def _reason(error: BaseException) -> str:
    """The message of this package's error in a chain of Ray's or in Ray's text, or else that text."""
    cause: BaseException | None = error
    while cause is not None:
        inner = getattr(cause, "cause", None)
        if isinstance(cause, TrimLLaVAError):
            return str(cause)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__
    # Of an actor that died at its start, Ray keeps the trace's text alone.
    named = re.search(rf"^{re.escape(TrimLLaVAError.__module__)}\.\w+: (.*)", str(error), re.M | re.S)
    return named[1].strip() if named else str(error)


def _report(job: Job) -> int:
    """Says what the records hold; a picture without a caption is a failure, never silence."""
    report = job.report()
    for path, reason in report.failures[:_SHOWN_FAILURES]:
        print(f"{path}: {reason}", file=sys.stderr)
    failed = len(report.failures)
    if failed > _SHOWN_FAILURES:
        print(f"… and {failed - _SHOWN_FAILURES} more failures", file=sys.stderr)
    captions = report.pictures - failed
    print(f"{report.pictures} pictures: {captions} captions, {failed} failed", file=sys.stderr)
    if report.repeated:
        print(f"{report.repeated} pictures have several records in {job.output}", file=sys.stderr)
    return 1 if failed or report.repeated else 0


if __name__ == "__main__":
    sys.exit(main())
