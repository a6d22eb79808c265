# SPDX-License-Identifier: Apache-2.0
"""Commands with every kind of output."""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub_stand_in import REPOSITORY, HubStandIn

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "Tests/TestSupport/Fixtures/models"
PAIR = {"text.gguf": "llava-1.5-gqa-f32.gguf", "mmproj.gguf": "llava-1.5-gqa-mmproj-f32.gguf"}
# Each command works in `worker-N/case`, beside the folder of the model.
MODEL = ["-m", "../../model/text.gguf", "--mmproj", "../../model/mmproj.gguf", "-t", "1"]
CAPTION = ["caption", *MODEL, "-n", "3", "--ordered", "--parallel", "2"]
RECORDS = ["-o", "out/records.jsonl"]

Prepare = Callable[[Path], None]


@dataclass(frozen=True)
class Scenario:
    """A command and what it finds."""

    name: str
    arguments: Sequence[str]
    # What the command that continues has besides.
    resume: Sequence[str] = ("--resume",)
    prepare: Prepare = lambda folder: None
    # A command that comes before it, so that it finds its own files.
    before: Sequence[str] = ()
    # Files of a cache: a fault of theirs is a warning.
    is_cache: bool = False
    # The file of standard output.
    stdout: str | None = None
    # The file of a server's log.
    log: str | None = None
    # What stays after a failure, for the next run.
    kept_endings: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    # What runs instead of the program.
    tool: Sequence[str] = ()


def place_model(folder: Path) -> None:
    """Put the model where all commands find it."""
    folder.mkdir()
    for name, source in PAIR.items():
        shutil.copy2(MODELS / PAIR["text.gguf"].removesuffix("-f32.gguf") / source, folder / name)


def pictures(folder: Path) -> None:
    """Three pictures, one of them in a subfolder, and a folder for outputs."""
    (folder / "pictures/sub").mkdir(parents=True)
    (folder / "out").mkdir()
    for name, place in {"landscape": "", "portrait": "", "wide": "sub/"}.items():
        shutil.copy2(MODELS / f"pictures/{name}.png", folder / f"pictures/{place}{name}.png")


def with_texts(folder: Path) -> None:
    """Captions of somebody else."""
    pictures(folder)
    (folder / "pictures/portrait.txt").write_text("a hand-written caption\n")
    (folder / "pictures/notes.txt").write_text("notes\n")


def with_metadata(folder: Path) -> None:
    """Rows of somebody else."""
    pictures(folder)
    rows = [
        {"file_name": "other.png", "text": "a picture of another folder"},
        {"file_name": "portrait.png", "text": "hand-written", "score": 3},
    ]
    (folder / "pictures/metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def with_old_exports(folder: Path) -> None:
    """Outputs of an earlier run."""
    pictures(folder)
    (folder / "out/table.csv").write_text("file_name,text\nold.png,old\n")
    (folder / "out/summary.json").write_text('{"pictures": 0}\n')
    (folder / "out/table.csv").chmod(0o640)


def with_archive(folder: Path) -> None:
    """An archive of pictures."""
    pictures(folder)
    with tarfile.open(folder / "set.tar", "w") as archive:
        for path in sorted((folder / "pictures").rglob("*.png")):
            archive.add(path, path.relative_to(folder / "pictures"))
    shutil.rmtree(folder / "pictures")


def with_records(folder: Path) -> None:
    """Records that hold, one that is tried again, and half of a line."""
    pictures(folder)
    records = [
        {"file_name": "pictures/landscape.png", "error": "pictures/landscape.png: cannot be read"},
        {"file_name": "elsewhere/other.png", "text": "another picture"},
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "out/records.jsonl").write_text(lines + '{"file_name": "pict')


def with_whole_records(folder: Path) -> None:
    """Records of captions."""
    (folder / "out").mkdir()
    records = [{"file_name": f"pictures/{number}.png", "text": f"picture {number}"} for number in range(3)]
    (folder / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def with_list(folder: Path) -> None:
    """A list of pictures and a prompt."""
    pictures(folder)
    names = sorted(str(path.relative_to(folder)) for path in (folder / "pictures").rglob("*.png"))
    (folder / "list.txt").write_text("\n".join(names) + "\n")
    (folder / "prompt.txt").write_text("What is this?\n")


def with_questions(folder: Path) -> None:
    """Questions with answers."""
    pictures(folder)
    questions = [
        {"id": "1", "image": "pictures/landscape.png", "question": "What?", "answers": ["this"]},
        {"id": "2", "image": "pictures/portrait.png", "question": "Who?", "answers": ["that"]},
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(question) + "\n" for question in questions))


def with_old_map(folder: Path) -> None:
    """A map of an earlier run."""
    pictures(folder)
    shutil.copy2(MODELS / "pictures/speck.png", folder / "out/map.png")


def parquet_converter() -> list[str] | None:
    """How `captions-to-parquet` is started; None where no Python here has its package."""
    for python in (ROOT / ".venv-check/bin/python", Path(sys.executable)):
        has_package = [python, "-I", "-c", "import pyarrow.parquet"]
        if python.exists() and subprocess.run(has_package, capture_output=True).returncode == 0:
            # Nothing of this user is read, whose home the runs take to be the folder of their files.
            return [str(python), "-I", str(ROOT / "tools/captions-to-parquet")]
    return None


def hub() -> HubStandIn:
    """A stand-in for the Hub, with the model."""
    names = {"text.gguf": "tiny-f32.gguf", "mmproj.gguf": "mmproj-tiny-f32.gguf"}
    folder = MODELS / PAIR["text.gguf"].removesuffix("-f32.gguf")
    return HubStandIn({names[name]: (folder / source).read_bytes() for name, source in PAIR.items()})


def all_scenarios(endpoint: str) -> list[Scenario]:
    """The commands; `endpoint` is the address of the stand-in for the Hub."""
    folder = [*CAPTION, "pictures", "-r"]
    question = ["-p", "What is shown?"]
    run = ["run", *MODEL, "pictures/portrait.png", "-n", "3", "--quiet"]
    # A page of the KV cache, so that the start of the prompt is stored.
    system = " ".join(str(number) for number in range(30))
    caches = [*run, "--pack-cache", "out/cache", "--system", system]
    converter = parquet_converter()
    evaluate = ["eval", *MODEL, "questions.jsonl", "-n", "3", "--keep", "8", "--selector", "random"]
    scenarios = [
        Scenario("records", [*folder, *RECORDS], prepare=pictures),
        Scenario("stdout", folder, (), pictures, stdout="out/records.jsonl"),
        Scenario("sidecars", [*folder, *RECORDS, "--sidecar", ".txt"], prepare=with_texts),
        Scenario("sidecars alone", [*folder, "--output-dir", "out/texts"], (), pictures),
        Scenario(
            "append", [*folder, *RECORDS, "--sidecar", ".txt", "--existing", "append"], prepare=with_texts
        ),
        Scenario(
            "overwrite",
            [*folder, *RECORDS, "--sidecar", ".txt", "--existing", "overwrite"],
            prepare=with_texts,
        ),
        Scenario(
            "metadata",
            [*folder, *RECORDS, *question, "-p", "Where?", "--metadata", "pictures/metadata.jsonl"],
            prepare=with_metadata,
        ),
        Scenario(
            "csv",
            [*folder, *RECORDS, "--csv", "out/table.csv", "--summary", "out/summary.json"],
            prepare=with_old_exports,
        ),
        Scenario("shards", [*folder, *RECORDS, "--tar", "out/shards"], prepare=pictures),
        Scenario(
            "archive",
            [*CAPTION, "set.tar", *RECORDS, "--tar", "out/shards", "--output-dir", "out/texts"],
            prepare=with_archive,
        ),
        Scenario("continued", [*folder, *RECORDS, "--resume"], (), with_records),
        Scenario(
            "lists",
            [*CAPTION, "--filelist", "list.txt", "--prompt-file", "prompt.txt", *RECORDS],
            prepare=with_list,
        ),
        Scenario(
            "answers",
            [*evaluate, "--answers", "out/answers.jsonl", "--plot", "out/plot.svg"],
            (),
            with_questions,
        ),
        Scenario("caches", caches, (), pictures, is_cache=True),
        Scenario("caches read", caches, (), pictures, before=caches, is_cache=True),
        Scenario("map", ["prune-map", *run[1:-3], "--keep", "8", "-o", "out/map.png"], (), with_old_map),
        Scenario(
            "run",
            [*run, "--keep", "8", "--json", "--prune-map", "out/map.png", "--dump", "out/dump"],
            (),
            with_old_map,
            stdout="out/answer.json",
        ),
        Scenario("log", ["serve", *MODEL, "--port", "0"], (), pictures, log="out/serve.log"),
        Scenario(
            "pull",
            ["pull", f"hf:{REPOSITORY}"],
            (),
            kept_endings=(".incomplete", ".lock"),
            stdout="paths.txt",
            environment={"HF_ENDPOINT": endpoint, "HF_HUB_CACHE": "hub", "no_proxy": "127.0.0.1"},
        ),
    ]
    if converter is None:
        print("check-faults: no Python here has pyarrow, so parquet is left out", file=sys.stderr)
    else:
        command = ["records.jsonl", "out/captions.parquet"]
        scenarios.append(Scenario("parquet", command, (), with_whole_records, tool=converter))
    return scenarios
