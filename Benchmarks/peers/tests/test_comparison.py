# SPDX-License-Identifier: Apache-2.0
"""The comparison's arithmetic, and its measurements of processes and of others' load."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from comparison import machine, openvino_qwen, processes
from comparison.captioning import Captioned, caption_table
from comparison.errors import ComparisonError
from comparison.llama_cpp import LlamaCpp
from comparison.openvino_genai import OpenVINOGenAI
from comparison.openvino_llava import OpenVINOLLaVA
from comparison.openvino_qwen import DECODER_SETTINGS, OpenVINOQwen, kept_tokens, pruning_ratio
from comparison.quiet import undisturbed
from comparison.report import advantage, markdown, spread
from comparison.schedule import Column, Results
from comparison.trimllava import TrimLLaVA
from comparison.workload import (
    DECODE,
    FEW_TILES_FIRST_TOKEN,
    FIRST_TOKEN,
    LOAD,
    PEAK,
    QUANTITIES,
    TILE,
    VISION,
    WORKLOADS,
    Figures,
    Folders,
    MeasuringOptions,
    Run,
    Workload,
    prefill,
    pruned_first_token,
)

OPTIONS = MeasuringOptions(2, 1, [], accepts_busy=True, lock=None)
RUN = Run(Folders(Path("/repository"), Path("/work")), OPTIONS)
MEBIBYTE = 2**20
QWEN = WORKLOADS["qwen2vl-2b-Q4_K_M"]


def test_spread_is_half_the_distance_between_the_quartiles() -> None:
    assert spread([5.0, 1.0, 2.0, 4.0, 3.0]) == 1.0
    assert spread([7.0]) == 0.0


def test_a_ratio_above_one_is_ours_to_gain() -> None:
    assert advantage(QUANTITIES[VISION], ours=[1.0], theirs=[2.0]) == 2.0
    assert advantage(QUANTITIES[DECODE], ours=[10.0], theirs=[5.0]) == 2.0


def test_table_has_medians_ratios_and_stars() -> None:
    ours = Figures.of({VISION: 1.0})
    ours.merge(Figures.of({VISION: 3.0}))
    ours.merge(Figures.of({VISION: 1.5}))
    theirs = Figures.of({VISION: 4.5}, {VISION: "half a tile"})
    columns = [Column(TrimLLaVA(RUN), ours), Column(OpenVINOGenAI(RUN), theirs)]
    text = markdown(Results("a machine", OPTIONS, {WORKLOADS["llava-1.5-7b-Q4_0"]: columns}))
    assert "| 1.50 ± 0.50 | 4.50 \\* | 3.00 |" in text
    assert "half a tile" in text


def test_quantities_that_nobody_measures_have_no_row() -> None:
    columns = [Column(TrimLLaVA(RUN), Figures.of({VISION: 13.0, TILE: 1.0}))]
    text = markdown(Results("a machine", OPTIONS, {WORKLOADS["smolvlm-500m-Q8_0"]: columns}))
    assert "| vision encode, each of its tiles, s | 1.00 |" in text
    assert "prefill" not in text


def test_tiles_of_llama_cpp_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = WORKLOADS["smolvlm-500m-Q8_0"]
    lines = ["main: loading model: x.gguf", *["mtmd batch encoding done in 1500 ms"] * 13]
    messages = [processes.Line(text, float(second)) for second, text in enumerate(lines, 1)]
    runtime = LlamaCpp(RUN)
    finished = processes.Finished("a", messages, 21.0, 22.0, 1 << 30)
    monkeypatch.setattr(runtime, "describe", lambda _: finished)
    figures = runtime.picture(workload).samples
    assert (figures[VISION], figures[TILE], figures[FIRST_TOKEN]) == ([19.5], [1.5], [20.0])
    assert figures[pruned_first_token("25%")] == figures[FEW_TILES_FIRST_TOKEN] == [20.0]
    with pytest.raises(ComparisonError, match="encoded 13 of 1 tiles"):
        runtime.picture(WORKLOADS["llava-1.5-7b-Q4_0"])


def test_llama_cpp_reads_pictures_with_the_attention_that_is_fastest_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workload = WORKLOADS["qwen2vl-2b-Q4_K_M"]
    runtime = LlamaCpp(RUN)
    monkeypatch.setattr("comparison.llama_cpp.undisturbed", lambda measure, _: measure())
    monkeypatch.setattr(runtime, "rate", lambda _, tried, __: 2 - tried.flash_attention - tried.repack / 2)

    def picture(_: object) -> Figures:
        chosen = runtime.fastest_pictures[workload]
        slow = (chosen.mmproj_type != "BF16") + 2 * (not chosen.setting.flash_attention)
        return Figures.of({FIRST_TOKEN: 1.0 + slow})

    monkeypatch.setattr(runtime, "picture", picture)
    runtime.tune(workload)
    assert runtime.fastest[workload, "prefill"].text == "without flash attention, not repacked"
    assert runtime.fastest_pictures[workload].text == "BF16 with flash attention, not repacked"
    assert "qwen2vl-2b-Q4_K_M BF16 with flash attention" in runtime.settings()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("llava-1.5-7b-Q4_0", "the the"),
        ("smolvlm-500m-Q8_0", " the the the"),
        ("qwen2vl-2b-Q4_K_M", " the the the"),
    ],
)
def test_raw_prompts_have_as_many_tokens_as_asked_for(name: str, text: str) -> None:
    assert TrimLLaVA(RUN).raw_prompt(WORKLOADS[name], 3) == ["--raw", "--prompt", text]


def test_openvino_is_scaled_from_the_difference_of_its_decoders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = OpenVINOLLaVA(RUN)
    runtime.vision_settings = ("float16.xml", {})

    def decoder(layers: int) -> dict:  # 1 s, and 0.5 s for each layer
        seconds = 1 + 0.5 * layers
        return {"prefill": {"64": seconds, "128": seconds, "640": seconds}, "decode": seconds}

    monkeypatch.setattr(runtime, "decoder", decoder)
    monkeypatch.setattr(runtime, "time", lambda *_: ({"vision": 0.25}, None))
    figures = runtime.scaled_picture(32)
    assert figures.samples[DECODE] == [pytest.approx(1 / 17)]
    assert figures.samples[prefill(640)] == [pytest.approx(640 / 17)]
    assert "scaled to 32 layers" in figures.notes[DECODE]


def test_each_workload_has_its_family_in_openvino() -> None:
    runtime = OpenVINOGenAI(RUN)
    assert isinstance(runtime.family(WORKLOADS["llava-1.5-7b-Q4_0"]), OpenVINOLLaVA)
    assert isinstance(runtime.family(QWEN), OpenVINOQwen)
    assert runtime.steps(WORKLOADS["smolvlm-500m-Q8_0"]) == []
    assert runtime.settings() == "not probed"


@pytest.mark.parametrize(("share", "ratio", "kept"), [("25%", 75, 250), ("11.1%", 89, 110)])
def test_shares_are_whole_percentages_to_drop_in_openvino(share: str, ratio: int, kept: int) -> None:
    assert pruning_ratio(share) == ratio
    assert kept_tokens(999, ratio) == kept


def test_openvino_keeps_an_even_number_of_tokens() -> None:
    assert kept_tokens(100, 75) == 26


def test_figures_of_a_picture_come_from_the_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    report = {"visual_tokens": 999, "vision": 9.0, "first_token": 15.0, "load": 2.0}
    runtime, asked = qwen_that_reports(monkeypatch, report)
    assert runtime.picture(QWEN).samples == {VISION: [9.0], FIRST_TOKEN: [15.0], LOAD: [2.0], PEAK: [1.0]}
    report["visual_tokens"] = 250
    assert runtime.pruned_picture(QWEN, "25%").samples == {pruned_first_token("25%"): [15.0]}
    assert asked[-1][-2:] == ("--pruning-ratio", "75")
    with pytest.raises(ComparisonError, match="kept 250 tokens, expected 110"):
        runtime.pruned_picture(QWEN, "11.1%")


def test_pictures_of_another_size_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, _ = qwen_that_reports(monkeypatch, {"visual_tokens": 972})
    with pytest.raises(ComparisonError, match="OpenVINO made 972 visual tokens"):
        runtime.picture(QWEN)
    WORKLOADS["llava-1.5-7b-Q4_0"].check_visual_tokens("LLaVA", 576)


def test_other_towers_are_made_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, made = OpenVINOQwen(RUN), []
    monkeypatch.setattr(openvino_qwen, "make_picture", lambda *_: None)
    monkeypatch.setattr(runtime, "install", lambda: None)
    monkeypatch.setattr(runtime, "make", lambda *arguments: made.append(arguments))
    runtime.prepare(QWEN)
    first, *others = made
    assert first == ("qwen2vl-2b-float16", "make_qwen.py", "--shape", "qwen2vl-2b")
    original = str(runtime.models / "qwen2vl-2b-float16")
    assert [(name, arguments) for name, _, *arguments in others] == [
        (f"qwen2vl-2b-{tower}", ["--original", original, "--tower", tower])
        for tower in ("int8", "int8-activations")
    ]


def test_tower_is_chosen_before_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = OpenVINOQwen(RUN)
    towers = {"float16": 3.0, "int8": 2.0, "int8-activations": 2.5}

    def describe(_: Workload, setting: tuple[str, dict], *__: str) -> tuple[dict, None]:
        tower, properties = setting
        vision = towers[tower] - (properties["INFERENCE_PRECISION_HINT"] == "bf16")
        decoder = properties.get("ATTENTION_BACKEND"), properties.get("DYNAMIC_QUANTIZATION_GROUP_SIZE")
        decode = 0.1 if decoder == ("PA", 128) else 0.2
        return {"vision": vision, "first_token": vision, "decode": decode}, None

    monkeypatch.setattr(runtime, "describe", describe)
    runtime.tune(QWEN)
    chosen = {"INFERENCE_PRECISION_HINT": "bf16", **DECODER_SETTINGS[-1]}
    assert runtime.fastest_settings == {QWEN: ("int8", chosen)}


def qwen_that_reports(
    monkeypatch: pytest.MonkeyPatch, report: dict
) -> tuple[OpenVINOQwen, list[tuple]]:
    """A measurement of Qwen2-VL with given output, and the arguments of its runs."""
    runtime, asked = OpenVINOQwen(RUN), []
    runtime.fastest_settings[QWEN] = ("int8", {})
    finished = processes.Finished("", [], None, 4.0, 2**30)

    def time(*arguments: object) -> tuple[dict, processes.Finished]:
        asked.append(arguments)
        return report, finished

    monkeypatch.setattr(runtime, "time", time)
    return runtime, asked


def test_selector_is_that_of_pruned_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = TrimLLaVA(replace(RUN, options=replace(OPTIONS, selector="cdpruner")))
    asked = []

    def describe(_: Workload, *options: str) -> tuple[dict, None]:
        asked.append(options)
        return {"first_token_seconds": 3.0}, None

    monkeypatch.setattr(runtime, "describe", describe)
    runtime.pruned_picture(QWEN, "25%")
    assert asked == [("--keep", "25%", "--selector", "cdpruner")]
    assert "selector cdpruner" in runtime.settings()


def test_process_is_measured() -> None:
    code = (
        "import sys, time; x = b'1' * (200 << 20); print('loaded', file=sys.stderr, flush=True);"
        "time.sleep(0.3); print('answer', flush=True); time.sleep(0.2)"
    )
    finished = processes.measure([sys.executable, "-c", code])
    assert finished.output == "answer\n"
    assert [line.text for line in finished.messages] == ["loaded"]
    assert finished.first_output_seconds - finished.messages[0].seconds == pytest.approx(
        0.3, abs=0.1
    )
    assert finished.seconds >= finished.first_output_seconds + 0.2
    assert finished.peak_bytes > 200 * MEBIBYTE


def test_process_ends_at_a_line() -> None:
    code = "import sys, time; print('loaded', file=sys.stderr, flush=True); time.sleep(60)"
    assert processes.measure([sys.executable, "-c", code], stop_at="loaded").seconds < 30


def test_failure_tells_the_command_and_its_last_words() -> None:
    with pytest.raises(ComparisonError, match="ended with 3:\nno such model"):
        processes.measure(
            [sys.executable, "-c", "import sys; print('no such model', file=sys.stderr); exit(3)"]
        )


def test_own_children_are_not_others(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, children, clock = iter([100.0, 110.0]), iter([5.0, 13.0]), iter([0.0, 4.0])
    monkeypatch.setattr(machine, "busy_seconds", lambda: next(busy))
    monkeypatch.setattr(machine, "child_seconds", lambda: next(children))
    monkeypatch.setattr(machine.time, "monotonic", lambda: next(clock))
    watch = machine.OthersWatch()
    assert watch.busy_cores() == (10 - 8) / 4


def test_work_of_children_is_seen_by_the_system_and_by_us() -> None:
    busy, ours = machine.busy_seconds(), machine.child_seconds()
    code = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    # Ticks of 10 ms, rounded down in user and system time and on each processor.
    assert machine.child_seconds() - ours >= 0.45
    assert machine.busy_seconds() - busy >= 0.45


def test_disturbed_measurements_are_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = iter([0.5, 0.3, 0.0])

    class Watch:
        def busy_cores(self) -> float:
            return next(loads)

    monkeypatch.setattr(machine, "OthersWatch", Watch)
    monkeypatch.setattr(machine, "wait_until_idle", lambda _: None)
    samples = iter([1, 2, 3])
    options = MeasuringOptions(2, 1, [], accepts_busy=False, lock=None)
    assert undisturbed(lambda: next(samples), options) == 3


def test_captions_per_hour_are_compared_with_the_first_setting() -> None:
    rows = [Captioned("one", 24, 240.0, 4 * 2**30), Captioned("six", 24, 96.0, 5 * 2**30, "why")]
    assert rows[0].per_hour == 360
    first, second = caption_table(rows, OPTIONS, "machine").splitlines()[-2:]
    assert first == "| one | 24 | 360 | 1.00 | 4.0 |  |"
    assert second == "| six | 24 | 900 | 2.50 | 5.0 | why |"


def test_figures_of_trimllava_are_the_fields_of_its_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = {
        "prompt_tokens": 64,
        "vision_seconds": 0.5,
        "prefill_seconds": 2.0,
        "first_token_seconds": 3.0,
        "total_seconds": 3.0,
        "decode_tokens_per_second": 7.5,
        "pictures": [{"candidate_patches": 576}],
    }
    finished = processes.Finished(
        output="", messages=[], first_output_seconds=None, seconds=4.0, peak_bytes=2**30
    )
    runtime, workload = TrimLLaVA(RUN), WORKLOADS["llava-1.5-7b-Q4_0"]
    monkeypatch.setattr(runtime, "run", lambda *_: (report, finished))
    assert runtime.prefill(workload, 64).samples == {prefill(64): [32.0]}
    assert runtime.picture(workload).samples == {
        VISION: [0.5],
        FIRST_TOKEN: [3.0],
        LOAD: [1.0],
        PEAK: [1.0],
    }
    with pytest.raises(ComparisonError, match="read 64 tokens, expected 128"):
        runtime.prefill(workload, 128)
    with pytest.raises(ComparisonError, match="TrimLLaVA made 576 visual tokens"):
        runtime.picture(QWEN)
