# SPDX-License-Identifier: Apache-2.0
"""The training in three phases: patch labels, questions on a fixed tower, everything."""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .alignment import WordAlignment
from .decoder import initialise_projector
from .drawing import GRID
from .drawn_scenes import IGNORED, LABELS, DrawnScenes, drawn_scenes
from .exported import load_exported, load_tower
from .model import Llava, answer_loss, answers_right, looking_loss, telling_loss
from .packing import Batch, Packer, every_task
from .questions import BEHIND
from .scenes import FIRST_TEST_SEED
from .vision import PATCHES, cut_patches, label_loss
from .vocabulary import Vocabulary

FIRST_CROWDED_SEED = 1 << 30
CROP = 12  # patches of the side of what the first phase sees of a picture
QUESTION_ROWS = 320
TEST_PICTURES = 96
AVERAGING = 0.99  # of the averaged weights, which are what is exported
LABEL_SHARE = 0.3  # of the patch labels' loss, beside the answers'
ALIGNED_PICTURES, ALIGNED_AT_ONCE = 192, 8  # of either kind, to start the projector with
ALIGNMENT_STEPS, ALIGNMENT_RATE = 1500, 2e-3
LOOKING_SHARE = 0.3  # of the loss of the head that is taught where to look
TELLING_SHARE = 1.0  # of the loss of telling the places of what it saw
ALIGNMENT_SHARE = 0.2  # of the loss between visual tokens and words
PAIR_EVERY = 8  # steps of the last phase, one of which asks about two pictures
CROWDED_EVERY = 5  # steps of the last two phases, one of which shows crowded pictures


@dataclass(frozen=True)
class Phase:
    """What a phase trains, its amount of data and its learning rate."""

    name: str
    steps: int
    pictures: int  # a step's pictures; crops of pictures in the first phase
    rate: float  # the learning rate between warm-up and decay
    decay: float  # share of the steps, at the end, in which the rate falls to nothing
    warm_up: int = 200  # steps, at most a fifth of all
    visual_tokens: int = PATCHES  # of a picture, drawn by lot where they are not all; second phase
    fixed_tower: bool = False  # in the last phase

    def rate_at(self, step: int) -> float:
        left = (self.steps - step) / max(self.steps * self.decay, 1)
        warm_up = max(1, min(self.warm_up, self.steps // 5))
        return self.rate * min(1.0, (step + 1) / warm_up, max(left, 0.01))


def initial_data(folder: Path, normal: int, crowded: int) -> dict[str, DrawnScenes]:
    """All drawn scenes: those for training, and those of other seeds for measurements."""
    return {
        "test": drawn_scenes(folder / "test", FIRST_TEST_SEED, 500),
        "crowded": drawn_scenes(folder / "crowded", FIRST_CROWDED_SEED, crowded, crowded=True),
        "normal": drawn_scenes(folder / "normal", 0, normal),
    }


class Trainer:
    """Model, averaged weights, optimiser and progress, which checkpoints save and restore."""

    def __init__(
        self, folder: Path, phases: list[Phase], data: dict[str, DrawnScenes],
        vocabulary: Vocabulary, seed: int, compiled: bool = True,
    ) -> None:  # fmt: skip
        self.folder, self.phases, self.data, self.seed = folder, phases, data, seed
        self.packer = Packer(vocabulary, QUESTION_ROWS)
        self.alignment = WordAlignment(vocabulary)
        self.model = Llava(seed)
        self.average = {k: v.detach().clone() for k, v in self.model.named_parameters()}
        self.phase_number = self.step = 0
        self.seconds = 0.0  # of training, pauses excepted
        self.sums: dict[str, list[float]] = defaultdict(list)
        self.optimiser = self.make_optimiser()
        if compiled:
            self.model.tower.compile(dynamic=False)
            self.model.decoder.compile(dynamic=False)

    @property
    def phase(self) -> Phase:
        return self.phases[self.phase_number]

    def make_optimiser(self) -> torch.optim.Optimizer:
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        vectors = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": 0.02}, {"params": vectors}]
        return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0, fused=True)

    def save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "phase": self.phase.name,
            "step": self.step,
            "seconds": self.seconds,
        }
        path = self.folder / "checkpoint.pt"
        torch.save(state, path.with_suffix(".new"))
        os.replace(path.with_suffix(".new"), path)

    def resume(self) -> bool:
        """Restores the checkpoint in the folder, if there is one."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.phase_number = [phase.name for phase in self.phases].index(state["phase"])
        self.step, self.seconds = state["step"], state["seconds"]
        return True

    def begin_with(self, text: Path, projector: Path, phase: str) -> None:
        """Starts at a phase with an exported pair: with its tower or, for the last phase, all of it."""
        self.phase_number, self.step = [p.name for p in self.phases].index(phase), 0
        if phase == "decoder":
            load_tower(self.model.tower, projector)
        else:
            load_exported(self.model, text, projector)
        torch.nn.init.zeros_(self.model.labeller.head.weight)  # it is in no file: to disturb nothing
        self.average = {k: v.detach().clone() for k, v in self.model.named_parameters()}
        self.begin_phase()

    def next_phase(self) -> bool:
        """Starts the next phase with the averaged weights and a new optimiser."""
        self.save()
        os.replace(self.folder / "checkpoint.pt", self.folder / f"after-{self.phase.name}.pt")
        if self.phase_number + 1 == len(self.phases):
            return False
        self.model.load_state_dict(self.average, strict=False)
        self.phase_number, self.step = self.phase_number + 1, 0
        self.begin_phase()
        return True

    def begin_phase(self) -> None:
        if self.phase.name == "decoder":
            self.align_projector()
        self.optimiser = self.make_optimiser()
        self.save()

    def train_step(self) -> None:
        """One step of the phase: loss, gradients, weights and their average."""
        start = time.monotonic()
        lot = random.Random(f"step {self.seed} {self.phase.name} {self.step}")
        for group in self.optimiser.param_groups:
            group["lr"] = self.phase.rate_at(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        with reduced_precision():
            loss = {
                "vision": self.vision_loss, "decoder": self.decoder_loss, "joint": self.joint_loss,
            }[self.phase.name](lot)  # fmt: skip
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.note("norm", float(norm))
        keep = min(AVERAGING, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(
            list(self.average.values()), [p.detach() for p in self.model.parameters()], 1 - keep
        )
        self.step += 1
        self.seconds += time.monotonic() - start
        self.note("time", time.monotonic() - start)

    def note(self, name: str, value: float) -> None:
        self.sums[name].append(value)

    def report(self) -> str:
        """Means since the last report."""
        means = {name: sum(values) / len(values) for name, values in self.sums.items()}
        self.sums.clear()
        return (
            f"{self.phase.name} {self.step}/{self.phase.steps} {self.seconds / 60:.1f} min "
            + " ".join(f"{name} {mean:.4g}" for name, mean in means.items())
        )

    def vision_loss(self, lot: random.Random) -> Tensor:
        """Patch labels on square parts of crowded pictures, sometimes mirrored."""
        source = self.data["crowded"]
        patches, labels, places = [], [], []
        grid = np.arange(PATCHES).reshape(GRID, GRID)
        for _ in range(self.phase.pictures):
            index = lot.randrange(len(source))
            row, column = lot.randrange(GRID - CROP + 1), lot.randrange(GRID - CROP + 1)
            place = np.s_[row : row + CROP, column : column + CROP]
            part = cut_patches(torch.from_numpy(source.pictures[index][None]))[0]
            patches.append(part[grid[place].flatten()])
            labels.append(source.labels[index][place].reshape(-1, len(LABELS)))
            places.append(grid[place].flatten())
        features = self.model.tower(torch.stack(patches), torch.from_numpy(np.stack(places)))
        wanted = torch.from_numpy(np.stack(labels))
        loss = label_loss(self.model.labeller(features), wanted)
        self.note("labels", float(loss))
        return loss

    def pictures(self, source: DrawnScenes, indices: list[int]) -> Tensor:
        return cut_patches(torch.from_numpy(source.pictures[sorted(indices)]))

    def source(self) -> DrawnScenes:
        """The scenes that this step asks about."""
        crowded = self.step % CROWDED_EVERY == CROWDED_EVERY - 1
        return self.data["crowded" if crowded else "normal"]

    def align_projector(self) -> None:
        """Resets the projector: visual tokens become sums of the words for what they show."""
        features, labels = [], []
        with torch.no_grad(), reduced_precision():
            for source in (self.data["normal"], self.data["crowded"]):
                for start in range(0, ALIGNED_PICTURES, ALIGNED_AT_ONCE):
                    indices = list(range(start, start + ALIGNED_AT_ONCE))
                    features.append(self.model.tower(self.pictures(source, indices)))
                    labels.append(torch.from_numpy(source.labels[indices]).flatten(1, 2))
        lot = random.Random(f"alignment {self.seed}")
        projector, words = self.model.projector, self.model.decoder.embed_tokens.weight.detach()
        with torch.no_grad():
            initialise_projector(projector, torch.cat(features[::4]).flatten(0, 1), self.seed)
        optimiser = torch.optim.Adam(projector.parameters(), fused=True)
        for step in range(ALIGNMENT_STEPS):
            optimiser.param_groups[0]["lr"] = ALIGNMENT_RATE * (1 - step / ALIGNMENT_STEPS)
            optimiser.zero_grad(set_to_none=True)
            index = lot.randrange(len(features))
            with reduced_precision():
                visual = projector(features[index])
            loss = self.alignment.loss(visual, labels[index], words)
            loss.backward()
            optimiser.step()
            self.note("words", float(loss))
            if (step + 1) % 200 == 0:
                print(self.report(), flush=True)
        for name, values in projector.named_parameters():
            self.average[f"projector.{name}"].copy_(values.detach())

    def decoder_loss(self, lot: random.Random) -> Tensor:
        """Questions about some of the visual tokens, with a fixed tower."""
        source = self.source()
        indices = sorted(lot.sample(range(len(source)), self.phase.pictures))
        with torch.no_grad():
            features = self.model.tower(self.pictures(source, indices))
        batch = self.packer.batch([[source.scenes[i]] for i in indices], lot, self.phase.visual_tokens)
        labels = torch.from_numpy(source.labels[indices]).flatten(1, 2)
        return self.answers(features, batch, labels) + self.aligned(features, labels)

    def joint_loss(self, lot: random.Random) -> Tensor:
        """Questions about all visual tokens of one picture or two, and patch labels."""
        source = self.source()
        indices = sorted(lot.sample(range(len(source)), self.phase.pictures))
        together = 2 if self.step % PAIR_EVERY == PAIR_EVERY - 1 else 1
        with torch.set_grad_enabled(not self.phase.fixed_tower):
            features = self.model.tower(self.pictures(source, indices))
        groups = [
            [source.scenes[i] for i in indices[at : at + together]]
            for at in range(0, len(indices), together)
        ]
        batch = self.packer.batch(groups, lot)
        labels = torch.from_numpy(source.labels[indices]).flatten(1, 2)
        loss = self.answers(features, batch, labels) + self.aligned(features, labels)
        if self.phase.fixed_tower:
            return loss
        labelling = label_loss(self.model.labeller(features), labels)
        self.note("labels", float(labelling))
        return loss + LABEL_SHARE * labelling

    def aligned(self, features: Tensor, labels: Tensor) -> Tensor:
        """The share of the loss that ties visual tokens to words."""
        visual = self.model.projector(features)
        loss = self.alignment.loss(visual, labels, self.model.decoder.embed_tokens.weight)
        self.note("words", float(loss))
        return ALIGNMENT_SHARE * loss

    def answers(self, features: Tensor, batch: Batch, labels: Tensor) -> Tensor:
        """The loss of the answers and, with one picture per question, of attention and of places."""
        pictures = len(features) // len(batch.prefix_tokens)
        logits, looks, told = self.model(
            features.unflatten(0, (-1, pictures)).flatten(1, 2), batch
        )
        loss = answer_loss(logits, batch)
        self.note("answers", float(loss))
        self.note("right", float(answers_right(logits, batch).float().mean()))
        if pictures > 1:
            return loss
        looking = looking_loss(looks, batch, shown_places(labels))
        self.note("looking", float(looking))
        telling = telling_loss(told, batch)
        self.note("telling", float(telling))
        return loss + LOOKING_SHARE * looking + TELLING_SHARE * telling

    def measure(self) -> dict[str, float]:
        """The shares of right answers or patch labels on test scenes, by the averaged weights."""
        mine = {k: v.detach().clone() for k, v in self.model.named_parameters()}
        self.model.load_state_dict(self.average, strict=False)
        with torch.no_grad(), reduced_precision():
            result = self.measure_labels()
            if self.phase.name != "vision":
                result |= self.measure_answers()
        self.model.load_state_dict(mine, strict=False)
        return result

    def measure_labels(self) -> dict[str, float]:
        """Right labels among the patches that show an object (for shape, clearly)."""
        source, right, total = self.data["test"], defaultdict(float), defaultdict(float)
        for start in range(0, TEST_PICTURES, 8):
            indices = list(range(start, start + 8))
            logits = self.model.labeller(self.model.tower(self.pictures(source, indices)))
            labels = torch.from_numpy(source.labels[indices]).flatten(1, 2).long()
            shown = (labels[..., 0] != IGNORED) & (labels[..., 0] != 0)
            for number, name in enumerate(LABELS):
                wanted = labels[..., number]
                asked = wanted != IGNORED
                if name == "shape":
                    asked &= shown
                elif name == "centre":
                    asked &= wanted == 1
                right[name] += float((logits[number].argmax(-1) == wanted)[asked].sum())
                total[name] += float(asked.sum())
        return {f"patch {name}": right[name] / max(total[name], 1) for name in LABELS}

    def measure_answers(self) -> dict[str, float]:
        source, right = self.data["test"], defaultdict(list)
        lot = random.Random("measure")
        for start in range(0, TEST_PICTURES, 8):
            indices = list(range(start, start + 8))
            batch = self.packer.batch([[source.scenes[i]] for i in indices], lot, draw=every_task)
            logits, _, _ = self.model(self.model.tower(self.pictures(source, indices)), batch)
            for task, correct in zip(batch.tasks, answers_right(logits, batch), strict=True):
                right[task].append(float(correct))
        return {task: sum(values) / len(values) for task, values in sorted(right.items())}


def shown_places(labels: Tensor) -> Tensor:
    """The place that each patch shows, of labels [batch, patches, …]; IGNORED where it is unclear."""
    place, shape = (labels[..., list(LABELS).index(name)].long() for name in ("place", "shape"))
    return place.masked_fill(shape == 0, BEHIND)


def reduced_precision() -> torch.autocast:
    """Computes in bf16 if the processor multiplies it; otherwise that would be far slower."""
    has_bfloat16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16)


def wait_while(path: Path | None) -> None:
    """Sleeps while the file exists."""
    while path and path.exists():
        time.sleep(1)
