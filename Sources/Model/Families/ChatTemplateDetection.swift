// SPDX-License-Identifier: Apache-2.0
import GGUF
import Tokenization

extension ChatTemplate {
    /// The template that a text model was trained with; nil if neither its file nor its family tells.
    ///
    /// A chat template in the file decides. LLaVA files usually have none. Then these decide, in this order: the
    /// architecture, tokens that only one template uses, the name, and the features that distinguish Mistral from
    /// Vicuna.
    package static func detect(metadata: GGUFMetadata, tokenizer: Tokenizer) -> ChatTemplate? {
        if let written = (try? metadata.string("tokenizer.chat_template")) ?? nil,
            let template = recognise(written)
        {
            return template
        }
        let architecture = ((try? metadata.string("general.architecture")) ?? nil) ?? ""
        if architecture == "phi3" { return .phi3 }
        // Idefics3's vocabulary also has the tokens of Llama 3, on which it was trained.
        let byTokens: [ChatTemplate] = [
            .smolVLM, .idefics3, .phi3, .llama3, .phi4, .chatml, .gemma,
        ]
        if let template = byTokens.first(where: { $0.hasTokens(in: tokenizer) }) {
            return template
        }
        let name = (((try? metadata.string("general.name")) ?? nil) ?? "").lowercased()
        if name.contains("bakllava") || name.contains("vicuna") { return .vicuna }
        if name.contains("mistral") { return .mistral }
        guard tokenizer.isSentencePiece else { return nil }
        // Mistral-7B-Instruct-v0.2, the base of LLaVA-1.6-mistral, is a LLaMA with this rotary base
        // and 8 key-value heads.
        let base = (try? metadata.float("\(architecture).rope.freq_base")) ?? nil
        let heads = (try? metadata.integer("\(architecture).attention.head_count_kv")) ?? nil
        if base == 1_000_000, heads == 8 { return .mistral }
        // LLaMA's vocabulary; conversions pad it with at most 64 tokens.
        return (32000...32064).contains(tokenizer.vocabularySize) ? .vicuna : nil
    }

    /// The system prompt that the chat template in a file writes where the conversation has none; nil for that of the
    /// `ChatTemplate`.
    ///
    /// It is empty where a ChatML template writes none, as Qwen3-VL's. SentencePiece vocabularies are LLaVA-1.6-34B's,
    /// whose training had a system prompt that templates of its base model lack.
    package static func defaultSystem(metadata: GGUFMetadata) -> String? {
        guard let written = (try? metadata.string("tokenizer.chat_template")) ?? nil else {
            return nil
        }
        // A line break is one in the template, or escaped in a string of it. Whatever is computed has quotes or
        // braces before it.
        let system = #/<\|im_start\|>system(?:\n|\\n)([^{}<'"\\]+)<\|im_end\|>/#
        if let match = written.firstMatch(of: system) { return String(match.1) }
        let isSentencePiece = (try? metadata.string("tokenizer.ggml.model")) == "llama"
        return recognise(written) == .chatml && !isSentencePiece ? "" : nil
    }

    /// The template that a Jinja chat template writes.
    private static func recognise(_ written: String) -> ChatTemplate? {
        func has(_ text: String) -> Bool { written.contains(text) }
        if has("<|im_start|>") {
            if has("<end_of_utterance>") { return .smolVLM }
            if has("<|im_sep|>") { return .phi4 }
            // A role and a space, not a line break.
            let role = #/<\|im_start\|>['"] *\+ *message(?:\.role|\[['"]role['"]\]) *\+ *['"] ['"]/#
            return written.contains(role) ? .oneVision : .chatml
        }
        if has("<end_of_utterance>") { return .idefics3 }
        if has("<start_of_turn>") { return .gemma }
        if has("<|start_header_id|>") { return .llama3 }
        if has("[INST]") { return .mistral }
        if has("<|assistant|>"), has("<|end|>") { return .phi3 }
        return has("USER:") && has("ASSISTANT:") ? .vicuna : nil
    }
}
