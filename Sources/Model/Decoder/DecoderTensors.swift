// SPDX-License-Identifier: Apache-2.0

/// The names of a text model's tensors, without `.weight` and `.bias`: llama.cpp's.
package enum DecoderTensors {
    package static let tokenEmbedding = "token_embd"
    package static let output = "output"
    static let outputNorm = "output_norm"
    static let rotaryFactors = "rope_freqs"
    static let longRotaryFactors = "rope_factors_long"
    static let shortRotaryFactors = "rope_factors_short"

    static let attentionNorm = "attn_norm"
    static let query = "attn_q"
    static let key = "attn_k"
    static let value = "attn_v"
    static let queryNorm = "attn_q_norm"
    static let keyNorm = "attn_k_norm"
    static let fusedQueryKeyValue = "attn_qkv"
    static let attentionOutput = "attn_output"
    static let feedForwardNorm = "ffn_norm"
    static let gate = "ffn_gate"
    static let up = "ffn_up"
    static let down = "ffn_down"

    /// The name of a layer's part.
    static func layer(_ index: Int, _ part: String) -> String { "blk.\(index).\(part)" }
}
