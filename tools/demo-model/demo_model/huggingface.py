# SPDX-License-Identifier: Apache-2.0
"""The trained model as transformers' LlavaForConditionalGeneration and as its folder."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from . import decoder, vision
from .drawing import PATCH
from .model import Llava
from .scenes import SIDE
from .vocabulary import BEGIN, END, IMAGE, PAD, ROWS, SYSTEM

CONTEXT = 4096
CHAT_TEMPLATE = (
    "{{ '" + SYSTEM.replace("'", "\\'") + "' }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'USER: ' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>\\n' }}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{{ ' ' }}"
    "{% else %}{{ 'ASSISTANT: ' + message['content'][0]['text'] + '</s>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def configuration() -> LlavaConfig:
    """The shapes. Like LLaVA's, the tower has one layer more than is used."""
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=vision.WIDTH, intermediate_size=vision.FEED_FORWARD,
            num_attention_heads=vision.HEADS, num_hidden_layers=vision.LAYERS + 1,
            image_size=SIDE, patch_size=PATCH, projection_dim=vision.WIDTH,
            layer_norm_eps=vision.EPSILON, hidden_act="quick_gelu",
        ),
        text_config=LlamaConfig(
            vocab_size=ROWS, hidden_size=decoder.WIDTH, intermediate_size=decoder.FEED_FORWARD,
            num_hidden_layers=decoder.LAYERS, num_attention_heads=decoder.HEADS,
            num_key_value_heads=decoder.HEADS, rms_norm_eps=decoder.EPSILON,
            rope_theta=decoder.ROTARY_BASE, max_position_embeddings=CONTEXT,
            bos_token_id=BEGIN, eos_token_id=END, pad_token_id=PAD,
        ),
        image_token_index=IMAGE, image_seq_length=vision.PATCHES, projector_hidden_act="gelu",
        vision_feature_layer=-2, vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )  # fmt: skip


@torch.no_grad()
def transformers_model(trained: Llava) -> LlavaForConditionalGeneration:
    """The same weights in transformers' modules, in float32."""
    model = LlavaForConditionalGeneration(configuration()).eval()
    load(model.model.vision_tower.vision_model, tower_weights(trained.tower))
    load(model.model.multi_modal_projector, dict(trained.projector.state_dict()))
    load(model.model.language_model, decoder_weights(trained.decoder))
    load(model.lm_head, {"weight": trained.decoder.lm_head.weight})
    model.generation_config = GenerationConfig(bos_token_id=BEGIN, eos_token_id=END, do_sample=False)
    return model


def load(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Loads the weights. Weights that no answer depends on become zero."""
    missing = module.state_dict().keys() - weights.keys()
    unused = {name for name in missing if f"layers.{vision.LAYERS}." in name or "post_l" in name}
    if missing != unused:
        raise AssertionError(f"no weights for {sorted(missing - unused)}")
    zeros = {name: torch.zeros_like(module.state_dict()[name]) for name in unused}
    module.load_state_dict({**weights, **zeros})


def renamed(weights: dict[str, Tensor], parts: tuple[str, ...], joint: str) -> dict[str, Tensor]:
    """Weights of a block with a joint matrix split into its parts."""
    result = {}
    for name, values in weights.items():
        owner, _, kind = name.rpartition(".")
        if owner.endswith(joint):
            start = owner.removesuffix(joint)
            chunks = values.chunk(len(parts))
            result |= {f"{start}{p}.{kind}": c for p, c in zip(parts, chunks, strict=True)}
        else:
            result[name] = values
    return result


def tower_weights(tower: vision.VisionTower) -> dict[str, Tensor]:
    weights = {}
    for name, values in renamed(tower.state_dict(), ("q_proj", "k_proj", "v_proj"), "qkv").items():
        for old, new in (
            ("blocks.", "encoder.layers."), (".fc", ".mlp.fc"),
            (".q_proj", ".self_attn.q_proj"), (".k_proj", ".self_attn.k_proj"),
            (".v_proj", ".self_attn.v_proj"), (".out_proj", ".self_attn.out_proj"),
        ):  # fmt: skip
            name = name.replace(old, new)
        weights[name] = values
    patches = weights.pop("patch_embedding.weight").view(vision.WIDTH, 3, PATCH, PATCH)
    return weights | {
        "embeddings.class_embedding": weights.pop("class_embedding"),
        "embeddings.patch_embedding.weight": patches,
        "embeddings.position_embedding.weight": weights.pop("position_embedding"),
    }


def decoder_weights(trained: decoder.Decoder) -> dict[str, Tensor]:
    split = renamed(trained.state_dict(), ("q_proj", "k_proj", "v_proj"), "qkv")
    split = renamed(split, ("gate_proj", "up_proj"), "gate_up")
    weights = {}
    for name, values in split.items():
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            name = name.replace(f".{part}", f".self_attn.{part}")
        for part in ("gate_proj", "up_proj", "down_proj"):
            name = name.replace(f".{part}", f".mlp.{part}")
        weights[name] = values
    weights.pop("lm_head.weight")
    return weights


def write_folder(trained: Llava, tokenizer: bytes, folder: Path) -> None:
    """Writes everything that transformers and tools/convert-hf read."""
    transformers_model(trained).save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    ).save_pretrained(folder)
    (folder / "tokenizer.model").write_bytes(tokenizer)
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    added = {str(IMAGE): "<image>", str(PAD): "<pad>"}
    settings = {
        "tokenizer_class": "LlamaTokenizer",
        "legacy": True,
        "add_bos_token": True,
        "add_eos_token": False,
        "chat_template": CHAT_TEMPLATE,
        "added_tokens_decoder": {
            number: {
                "content": text, "special": True, "normalized": False,
                "lstrip": False, "rstrip": False, "single_word": False,
            }
            for number, text in added.items()
        },
        **special,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
