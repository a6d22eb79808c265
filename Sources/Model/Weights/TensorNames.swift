// SPDX-License-Identifier: Apache-2.0

/// The tensors' names in the two files, without `.weight` and `.bias`.
///
/// Text model: llama.cpp's naming. Vision: the naming of its LLaVA converter, which all published
/// files share.
enum TensorNames {
    static let tokenEmbedding = "token_embd"
    static let outputNorm = "output_norm"
    static let output = "output"
    static let rotaryFactors = "rope_freqs"
    static let longRotaryFactors = "rope_factors_long"
    static let shortRotaryFactors = "rope_factors_short"

    enum Decoder {
        static let attentionNorm = "attn_norm"
        static let query = "attn_q"
        static let key = "attn_k"
        static let value = "attn_v"
        static let fusedQueryKeyValue = "attn_qkv"
        static let attentionOutput = "attn_output"
        static let feedForwardNorm = "ffn_norm"
        static let gate = "ffn_gate"
        static let up = "ffn_up"
        static let down = "ffn_down"

        static func layer(_ index: Int, _ part: String) -> String { "blk.\(index).\(part)" }
    }

    enum Vision {
        static let classEmbedding = "v.class_embd"
        static let patchEmbedding = "v.patch_embd"
        static let positionEmbedding = "v.position_embd"
        static let preNorm = "v.pre_ln"
        static let postNorm = "v.post_ln"
        static let attentionNorm = "ln1"
        static let query = "attn_q"
        static let key = "attn_k"
        static let value = "attn_v"
        static let attentionOutput = "attn_out"
        static let feedForwardNorm = "ln2"
        static let feedForwardDown = "ffn_down"
        static let feedForwardUp = "ffn_up"

        static func block(_ index: Int, _ part: String) -> String { "v.blk.\(index).\(part)" }
    }

    enum Projector {
        static func layer(_ index: Int) -> String { "mm.\(index)" }
        static let newline = ["model.image_newline", "v.image_newline", "image_newline"]
    }
}
