// SPDX-License-Identifier: Apache-2.0

/// The names of the tensors of vision towers and projectors, without `.weight` and `.bias`: those of llama.cpp's
/// converter, which all published files share.
package enum VisionTensors {
    static let classEmbedding = "v.class_embd"
    static let patchEmbedding = "v.patch_embd"
    static let positionEmbedding = "v.position_embd"
    static let preNorm = "v.pre_ln"
    static let postNorm = "v.post_ln"

    /// What the names of all blocks begin with.
    package static let blocks = "v.blk."
    static let attentionNorm = "ln1"
    static let query = "attn_q"
    static let key = "attn_k"
    static let value = "attn_v"
    static let queryKeyValue = "attn_qkv"
    static let attentionOutput = "attn_out"
    static let feedForwardNorm = "ln2"
    static let feedForwardDown = "ffn_down"
    static let feedForwardUp = "ffn_up"
    static let feedForwardGate = "ffn_gate"

    /// The name of a block's part.
    static func block(_ index: Int, _ part: String) -> String { "\(blocks)\(index).\(part)" }

    /// What the names of the projector's layers begin with.
    package static let projector = "mm."
    /// What the names of Qwen3-VL's further mergers begin with.
    package static let deepstack = "v.deepstack."
    static let idefics3Projector = "mm.model.fc"
    static let newline = ["model.image_newline", "v.image_newline", "image_newline"]

    /// The name of a layer of the projector.
    static func projectorLayer(_ index: Int) -> String { "\(projector)\(index)" }
}
