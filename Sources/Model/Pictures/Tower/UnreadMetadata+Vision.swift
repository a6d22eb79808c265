// SPDX-License-Identifier: Apache-2.0
import Weights

extension UnreadMetadata {
    /// The keys of a vision tower and projector, those of llama.cpp's earlier converters included.
    ///
    /// - Parameter family: keys below `clip` that one family alone reads.
    static func vision(reads family: Set<String>) -> UnreadMetadata {
        var rules: [String: Rule] = [:]
        for key in [
            "has_vision_encoder", "projector_type", "vision.projector_type", "use_gelu",
            "use_silu", "vision.image_size", "vision.patch_size", "vision.embedding_length",
            "vision.feed_forward_length", "vision.block_count", "vision.attention.head_count",
            "vision.attention.layer_norm_epsilon", "vision.image_mean", "vision.image_std",
            "vision.feature_layer", "vision.image_grid_pinpoints", "vision.mm_patch_merge_type",
            "vision.image_aspect_ratio",
        ] { rules[key] = .read }
        // CLIP's text tower, audio, and facts that the tensors or the grid imply.
        for key in [
            "has_text_encoder", "has_audio_encoder", "has_llava_projector", "text.", "audio.",
            "vision.projection_dim", "vision.mm_projector_type", "vision.image_crop_resolution",
            "vision.image_split_resolution",
        ] { rules[key] = .harmless }
        for key in [
            "has_minicpmv_projector", "minicpmv_version", "has_qwen2vl_merger",
            "has_glm_projector", "vision.window_size", "vision.n_wa_pattern",
            "vision.is_deepstack_layers", "vision.sam.",
        ] { rules[key] = .off([0]) }
        for key in ["vision.spatial_merge_size", "vision.projector.scale_factor"] {
            rules[key] = .off([0, 1])
        }
        rules["vision.wa_layer_indexes"] = .off([-1])
        for key in family { rules[key] = .read }
        return UnreadMetadata(prefix: "clip", rules: rules)
    }
}
