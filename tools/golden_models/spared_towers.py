# SPDX-License-Identifier: Apache-2.0
"""Lets transformers' vision towers see some of the patches, at their true positions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch

from .sparing import Choice, Stages, spare


def spare_tiles(
    tower: torch.nn.Module, tiles: torch.Tensor, whole: Stages, compute: Callable[[], Stages]
) -> tuple[Stages, float]:
    """What `compute` gives where a CLIP or SigLIP tower sees half of each tile, as in `spare`."""
    embeddings = getattr(tower, "vision_model", tower).embeddings
    patches = embeddings.patch_embedding(tiles).flatten(2).transpose(1, 2)  # [tiles, patches, width]

    def look(choices: list[Choice]) -> Stages:
        with seeing_patches(tower, choices):
            return compute()

    return spare(patches.numpy(), tiles.shape[-1] // embeddings.patch_size, whole, look)


@contextmanager
def seeing_patches(tower: torch.nn.Module, choices: list[Choice]) -> Iterator[None]:
    """A CLIP or SigLIP tower whose blocks see the chosen patches of each tile, and whose output has all."""
    parts = getattr(tower, "vision_model", tower)
    first = int(hasattr(parts.embeddings, "class_embedding"))  # row of the first patch

    def rows(places: list[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack([[*range(first), *(first + found)] for found in places]))

    seen, places = rows([choice.seen for choice in choices]), rows([choice.places for choice in choices])

    def select(encoder: Any, arguments: tuple, settings: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        # A mask is of whole tiles, which have nothing to hide.
        chosen = of_tiles(settings["inputs_embeds"], seen)
        return arguments, settings | {"inputs_embeds": chosen, "attention_mask": None}

    def spread(tower: Any, arguments: tuple, output: Any) -> Any:
        output.last_hidden_state = of_tiles(output.last_hidden_state, places)
        if output.hidden_states is not None:
            output.hidden_states = tuple(of_tiles(hidden, places) for hidden in output.hidden_states)
        return output

    def spread_weights(attention: Any, arguments: tuple, output: Any) -> Any:
        """Every patch receives what the one receives that stands for it."""
        if output[1] is None:
            return output
        return output[0], of_tiles(output[1].permute(0, 3, 1, 2), places).permute(0, 2, 3, 1)

    with ExitStack() as stack:
        for hook in (
            parts.encoder.register_forward_pre_hook(select, with_kwargs=True),
            tower.register_forward_hook(spread),
            *(layer.self_attn.register_forward_hook(spread_weights) for layer in parts.encoder.layers),
        ):
            stack.callback(hook.remove)
        yield


def of_tiles(values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Some rows of each tile, of [tiles, rows, …]."""
    return torch.stack([tile[chosen] for tile, chosen in zip(values, rows, strict=True)])


def spare_cells(
    tower: torch.nn.Module, inputs: dict[str, torch.Tensor], whole: Stages, compute: Callable[[], Stages]
) -> tuple[Stages, float]:
    """What `compute` gives where a Qwen-VL's tower sees half of a picture's cells, as in `spare`."""
    (grid,) = inputs["image_grid_thw"].tolist()
    columns = grid[2] // tower.spatial_merge_size
    # The patches of a cell follow each other.
    patches = tower.patch_embed(inputs["pixel_values"])
    cells = patches.reshape(len(patches) // tower.spatial_merge_size**2, -1)

    def look(choices: list[Choice]) -> Stages:
        (choice,) = choices
        with seeing_cells(tower, inputs["image_grid_thw"], torch.from_numpy(choice.seen)):
            stages = compute()
        return {name: spread(values, choice.places) for name, values in stages.items()}

    def spread(values: np.ndarray, places: np.ndarray) -> np.ndarray:
        return values[:, places] if values.ndim == 3 else values[places]  # planes come first

    return spare(cells[None].numpy(), columns, whole, look)


@contextmanager
def seeing_cells(tower: torch.nn.Module, grid: torch.Tensor, seen: torch.Tensor) -> Iterator[None]:
    """A Qwen-VL's tower that sees some cells of a picture, and gives them in the picture's order."""
    side = tower.spatial_merge_size
    rows = (seen[:, None] * side**2 + torch.arange(side**2)).flatten()
    # Of the whole picture's rows those of the seen cells, whatever grid the tower asks for.
    answers: dict[str, Any] = {
        name: getattr(tower, name)(grid)[rows]
        for name in ("rot_pos_emb", "fast_pos_embed_interpolate")
        if hasattr(tower, name)
    }
    if hasattr(tower, "get_window_index"):
        cells, bounds = tower.get_window_index(grid)
        kept = torch.isin(cells, seen)
        fewer = [int(kept[: bound // side**2].sum()) * side**2 for bound in bounds]
        answers["get_window_index"] = torch.searchsorted(seen, cells[kept]), fewer

    def in_line(tower: Any, arguments: tuple, settings: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """Has the tower count as many patches as it sees."""
        return arguments, settings | {"grid_thw": torch.tensor([[1, side, side * len(seen)]])}

    with ExitStack() as stack:
        for name, answer in answers.items():
            stack.enter_context(mock.patch.object(tower, name, return_value=answer))
        select = tower.patch_embed.register_forward_hook(lambda module, inputs, output: output[rows])
        stack.callback(select.remove)
        stack.callback(tower.register_forward_pre_hook(in_line, with_kwargs=True).remove)
        yield
