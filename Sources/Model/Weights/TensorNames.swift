// SPDX-License-Identifier: Apache-2.0

/// The tensors' names in the two files, without `.weight` and `.bias`.
///
/// Text model: llama.cpp's naming. Vision: the naming of its LLaVA converter, which all published
/// files share.
package enum TensorNames {
    package static let tokenEmbedding = "token_embd"
    package static let outputNorm = "output_norm"
    package static let output = "output"
    package static let rotaryFactors = "rope_freqs"
    package static let longRotaryFactors = "rope_factors_long"
    package static let shortRotaryFactors = "rope_factors_short"

    package enum Decoder {
        package static let attentionNorm = "attn_norm"
        package static let query = "attn_q"
        package static let key = "attn_k"
        package static let value = "attn_v"
        package static let fusedQueryKeyValue = "attn_qkv"
        package static let attentionOutput = "attn_output"
        package static let feedForwardNorm = "ffn_norm"
        package static let gate = "ffn_gate"
        package static let up = "ffn_up"
        package static let down = "ffn_down"

        package static func layer(_ index: Int, _ part: String) -> String { "blk.\(index).\(part)" }
    }

    package enum Vision {
        package static let classEmbedding = "v.class_embd"
        package static let patchEmbedding = "v.patch_embd"
        package static let positionEmbedding = "v.position_embd"
        package static let preNorm = "v.pre_ln"
        package static let postNorm = "v.post_ln"
        package static let attentionNorm = "ln1"
        package static let query = "attn_q"
        package static let key = "attn_k"
        package static let value = "attn_v"
        package static let attentionOutput = "attn_out"
        package static let feedForwardNorm = "ln2"
        package static let feedForwardDown = "ffn_down"
        package static let feedForwardUp = "ffn_up"

        package static func block(_ index: Int, _ part: String) -> String {
            "v.blk.\(index).\(part)"
        }
    }

    package enum Projector {
        package static func layer(_ index: Int) -> String { "mm.\(index)" }
        package static let newline = ["model.image_newline", "v.image_newline", "image_newline"]
    }
}
