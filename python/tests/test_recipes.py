# SPDX-License-Identifier: Apache-2.0
"""The recipes of deploy/ do what they say: every picture in one shard, and nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT

DEPLOY = ROOT / "deploy"
MODEL = ROOT / "Sources" / "Product" / "DemoModel" / "Resources"
SHARDS = 3


@pytest.fixture
def commands(tmp_path: Path, program: str) -> dict[str, str]:
    """An environment whose `srun` runs the command here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "trimllava").symlink_to(program)
    (folder / "srun").write_text('#!/bin/sh\nexec "$@"\n')
    (folder / "srun").chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.fixture
def pictures(tmp_path: Path, photographs: list[Path]) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        picture = photographs[number % len(photographs)]
        (folder / f"{number}{picture.suffix}").write_bytes(picture.read_bytes())
    return folder


def records(folder: Path) -> list[str]:
    files = sorted(folder.glob("captions-*.jsonl"))
    assert len(files) == SHARDS
    return sorted(json.loads(line)["file_name"] for name in files for line in name.read_text().splitlines())


def test_a_slurm_array_captions_every_picture_once(
    commands: dict[str, str], pictures: Path, tmp_path: Path
) -> None:
    script = [str(DEPLOY / "slurm" / "shards.sbatch"), str(pictures), str(tmp_path / "out")]
    model = {"MODEL": str(MODEL / "scenes-q8_0.gguf"), "MMPROJ": str(MODEL / "scenes-mmproj-f16.gguf")}
    for task in [1, 2, 3, 2]:
        array = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": str(SHARDS)}
        subprocess.run(["bash", *script], env={**commands, **model, **array}, check=True, capture_output=True)
    assert records(tmp_path / "out") == sorted(map(str, pictures.iterdir()))


def test_an_indexed_job_captions_every_picture_once(
    commands: dict[str, str], pictures: Path, tmp_path: Path
) -> None:
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((DEPLOY / "kubernetes" / "shards.yaml").read_text())
    assert job["spec"]["completions"] == 8
    [container] = job["spec"]["template"]["spec"]["containers"]
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "text.gguf").symlink_to(MODEL / "scenes-q8_0.gguf")
    (tmp_path / "models" / "mmproj.gguf").symlink_to(MODEL / "scenes-mmproj-f16.gguf")
    [script] = container["args"]
    script = script.replace("/models", f"{tmp_path}/models").replace("/data", str(tmp_path))
    script = script.replace("/8", f"/{SHARDS}")
    for index in [0, 1, 2, 0]:
        subprocess.run(
            [*container["command"], script],
            env={**commands, "JOB_COMPLETION_INDEX": str(index)}, check=True, capture_output=True,
        )  # fmt: skip
    assert records(tmp_path / "captions") == sorted(map(str, pictures.iterdir()))


def manifests(name: str) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text()))


def manifest(name: str) -> dict[str, Any]:
    [found] = manifests(name)
    return found


def test_the_indexed_job_fits_kubernetes_schema() -> None:
    validation = pytest.importorskip("kubernetes_validate")
    for version in ("1.29", validation.latest_version()):
        validation.validate(manifest("shards.yaml"), version, strict=True)


def test_the_server_fits_kubernetes_schema() -> None:
    validation = pytest.importorskip("kubernetes_validate")
    deployment, service = manifests("server.yaml")
    for version in ("1.29", validation.latest_version()):
        validation.validate(deployment, version, strict=True)
        validation.validate(service, version, strict=True)
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["labels"].items() >= deployment["spec"]["selector"]["matchLabels"].items()
    assert pod["metadata"]["labels"].items() >= service["spec"]["selector"].items()
    [container] = pod["spec"]["containers"]
    assert [port["targetPort"] for port in service["spec"]["ports"]] == [container["ports"][0]["name"]]
    # The longest grace, and five seconds in which clients take the ends of their answers.
    assert pod["spec"]["terminationGracePeriodSeconds"] >= 35


def test_the_server_answers_its_probes(program: str, tmp_path: Path) -> None:
    [container] = manifests("server.yaml")[0]["spec"]["template"]["spec"]["containers"]
    (tmp_path / "keys").write_text("a key\n")
    given = {
        "--model": MODEL / "scenes-q8_0.gguf", "--mmproj": MODEL / "scenes-mmproj-f16.gguf",
        "--api-key-file": tmp_path / "keys", "--host": "127.0.0.1", "--port": "0", "--parallel": "2",
    }  # fmt: skip
    names = (argument.split("=", 1) for argument in container["args"])
    arguments = [f"{name}={given.get(name, *rest)}" if rest else name for name, *rest in names]
    process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
        assert {probe["port"] for probe in probes} == {container["ports"][0]["name"]}
        for probe in probes:
            wait_for_200(f"http://127.0.0.1:{port}{probe['path']}")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models")
    finally:
        process.terminate()
    assert process.wait(60) == 0


def wait_for_200(url: str) -> None:
    """Asks as a probe does, until it succeeds."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(url) as response:
                assert response.status == 200
                return
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(0.1)
    raise AssertionError(f"{url} did not become ready")


# The fields of ray.io/v1 that the manifest may use, from KubeRay's rayjob_types.go and raycluster_types.go.
# The pods are checked with Kubernetes' own schema.
RAY_JOB = {
    "entrypoint": str, "runtimeEnvYAML": str, "submissionMode": str, "shutdownAfterJobFinishes": bool,
    "ttlSecondsAfterFinished": int, "activeDeadlineSeconds": int, "backoffLimit": int, "suspend": bool,
    "rayClusterSpec": dict,
}  # fmt: skip
RAY_CLUSTER = {"rayVersion": str, "headGroupSpec": dict, "workerGroupSpecs": list}
HEAD = {"rayStartParams": dict, "serviceType": str, "template": dict}
WORKERS = {
    "groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int, "rayStartParams": dict,
    "template": dict,
}  # fmt: skip


def fits(value: dict[str, Any], fields: dict[str, type]) -> None:
    for name, field in value.items():
        assert name in fields
        assert isinstance(field, fields[name]), name


def test_the_ray_job_fits_the_fields_of_kuberay() -> None:
    validation = pytest.importorskip("kubernetes_validate")
    job = manifest("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    fits(job["spec"], RAY_JOB)
    cluster = job["spec"]["rayClusterSpec"]
    fits(cluster, RAY_CLUSTER)
    fits(cluster["headGroupSpec"], HEAD)
    for group in cluster["workerGroupSpecs"]:
        fits(group, WORKERS)
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, **group["template"]}
        validation.validate(pod, validation.latest_version(), strict=True)


def test_the_ray_job_leaves_the_cores_and_memory_that_it_asks_for() -> None:
    job = manifest("rayjob.yaml")
    words = job["spec"]["entrypoint"].split()
    asked = {name: int(words[words.index(name) + 1]) for name in ("--actors", "--cpus", "--memory")}
    [group] = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    [container] = group["template"]["spec"]["containers"]
    limits = container["resources"]["limits"]
    assert group["replicas"] == asked["--actors"]
    assert int(limits["cpu"]) == asked["--cpus"]
    # Ray gives 70 % of a node's memory to tasks and actors; a restarted job's filter takes 1 GiB of it.
    assert asked["--memory"] + (1 << 30) <= 0.7 * int(limits["memory"].removesuffix("Gi")) * (1 << 30)
