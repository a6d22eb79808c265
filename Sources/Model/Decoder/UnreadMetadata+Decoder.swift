// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

extension UnreadMetadata {
    /// The keys of a text decoder, after the key names of gguf-py and of llama.cpp's `llama-arch.cpp`.
    ///
    /// - Parameters:
    ///   - width: numbers per token in the residual stream.
    ///   - hasWindow: whether the window of attention hides tokens.
    static func decoder(
        _ architecture: DecoderConfig.Architecture, width: Int, _ attention: AttentionShape,
        hasWindow: Bool
    ) -> UnreadMetadata {
        var rules = decoderRules
        rules["embedding_length_out"] = .off([0, Float(width)])
        rules["attention.scale"] = .off([0, attention.scale])
        if architecture.takesAddends { rules["n_deepstack_layers"] = .read }
        if hasWindow {
            // Patterns of layers without a window or with other heads.
            rules["attention.sliding_window_pattern"] = .off([1])
            for key in windowKeys { rules[key] = .off([]) }
        }
        return UnreadMetadata(prefix: architecture.rawValue, rules: rules)
    }

    /// Settings that layers with a window may have of their own.
    private static let windowKeys = [
        "rope.freq_base_swa", "rope.dimension_count_swa", "attention.key_length_swa",
        "attention.value_length_swa",
    ]

    private static let decoderRules: [String: Rule] = {
        var rules: [String: Rule] = [:]
        for key in [
            "context_length", "embedding_length", "block_count", "feed_forward_length",
            "attention.head_count", "attention.head_count_kv", "attention.key_length",
            "attention.value_length", "attention.layer_norm_rms_epsilon",
            "attention.sliding_window", "rope.dimension_count", "rope.freq_base",
            "rope.scale_linear", "rope.scaling.type", "rope.scaling.factor",
            "rope.scaling.original_context_length", "rope.scaling.attn_factor",
            "rope.dimension_sections", "expert_count",
        ] { rules[key] = .read }
        // Keys of experts have no effect without experts, and yarn's none with another scaling.
        for key in [
            "vocab_size", "tensor_data_layout", "pooling_type", "classifier.output_labels",
            "attention.layer_norm_epsilon", "rope.scaling.finetuned",
            "rope.scaling.yarn_log_multiplier", "rope.scaling.yarn_ext_factor",
            "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_beta_fast",
            "rope.scaling.yarn_beta_slow", "expert_used_count", "expert_shared_count",
            "expert_feed_forward_length", "expert_shared_feed_forward_length",
            "expert_weights_scale", "expert_weights_norm", "expert_gating_func",
            "expert_group_count", "expert_group_used_count", "moe_every_n_layers",
            "interleave_moe_layer_step", "leading_dense_block_count", "router_logit_softcapping",
            "attention.sliding_window_pattern",
        ] + windowKeys { rules[key] = .harmless }
        for key in [
            "use_parallel_residual", "attn_logit_softcapping", "final_logit_softcapping",
            "attention.max_alibi_bias", "attention.clamp_kqv", "attention.temperature_length",
            "attention.temperature_scale", "attention.relative_buckets_count",
            "attention.q_lora_rank", "attention.kv_lora_rank", "attention.gate_lora_rank",
            "attention.key_length_mla", "attention.value_length_mla",
            "attention.shared_kv_layers", "attention.indexer.",
            "nextn_predict_layers", "n_deepstack_layers", "activation_sparsity_scale",
            "embedding_length_per_layer_input", "swiglu_clamp_exp", "swiglu_clamp_shexp",
            "swin_norm", "rescale_every_n_layers", "altup.", "ssm.",
        ] { rules[key] = .off([0]) }
        for key in [
            "logit_scale", "residual_scale", "embedding_scale", "attention.output_scale",
            "rope.scaling.alpha", "full_attention_interval",
        ] { rules[key] = .off([0, 1]) }
        rules["attention.causal"] = .off([1])
        return rules
    }()
}
