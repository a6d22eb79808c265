# SPDX-License-Identifier: Apache-2.0
"""Reads the model from a training checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch

from .model import Llava


def averaged_model(path: Path) -> Llava:
    """The model with the averaged weights of a checkpoint."""
    model = Llava(seed=0)
    model.load_state_dict(torch.load(path, weights_only=True)["average"])
    return model.eval()
