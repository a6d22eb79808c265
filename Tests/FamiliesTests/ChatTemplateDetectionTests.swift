// SPDX-License-Identifier: Apache-2.0
import GGUF
import TestSupport
import Testing

@testable import Families
@testable import Tokenization

/// The template of a file with such a vocabulary and these keys beside it.
private func detected(
    _ vocabulary: String, padded: Int = 0, adding special: String? = nil,
    _ pairs: [(String, GGUFWriterValue)] = []
) throws -> ChatTemplate? {
    var stored = try VocabularyReader(
        GGUFFile(path: Fixture.path("tokenizers/\(vocabulary).gguf")).metadata
    ).read()
    if let special {
        stored.pieces.append(special.utf8)
        stored.kinds.append(.control)
    }
    if case .sentencePiece(var scores, let addsSpacePrefix) = stored.algorithm, padded > 0 {
        for token in stored.pieces.count..<padded {
            stored.pieces.append("[PAD\(token)]".utf8)
            stored.kinds.append(.unused)
            scores.append(0)
        }
        stored.algorithm = .sentencePiece(scores: scores, addsSpacePrefix: addsSpacePrefix)
    }
    var writer = GGUFWriter()
    for (key, value) in pairs { writer.set(key, value) }
    let folder = try TemporaryFolder()
    let file = try GGUFFile(path: folder.write(writer.bytes(), to: "text.gguf"))
    return ChatTemplate.detect(metadata: file.metadata, tokenizer: try Tokenizer(stored))
}

@Test(arguments: [
    ("{% if true %}[INST] {{ content }} [/INST]", ChatTemplate.mistral),
    ("{{'<|start_header_id|>' + role + '<|end_header_id|>'}}", .llama3),
    ("{{'<|im_start|>' + role}}", .chatml),
    ("{{'<|im_start|>' + role + '<|im_sep|>'}}", .phi4),
    ("<|im_start|>{{role | capitalize}}: {{text}}<end_of_utterance>\n", .smolVLM),
    ("<|begin_of_text|>{{role.capitalize()}}: {{text}}<end_of_utterance>\n", .idefics3),
    ("{{'<|im_start|>' + message['role'] + ' '}}{{'<|im_end|>'}}", .oneVision),
    ("{{'<|im_start|>' + message['role'] + '\n'}}{{'<|im_end|>'}}", .chatml),
    ("{{ '<start_of_turn>' + role + '\n' + content | trim + '<end_of_turn>\n' }}", .gemma),
    ("{{'<|user|>' + content + '<|end|>' + '<|assistant|>'}}", .phi3),
    ("USER: {{ content }} ASSISTANT:", .vicuna),
])
func aChatTemplateInTheFileDecides(written: String, template: ChatTemplate) throws {
    for vocabulary in ["llama-spm", "qwen2", "phi-3"] {
        #expect(
            try detected(
                vocabulary,
                [
                    ("tokenizer.chat_template", .string(written)),
                    ("general.name", .string("LLaVA mistral vicuna")),
                ]) == template)
    }
}

@Test func tokensAndArchitectureDecideWithoutAChatTemplate() throws {
    let none = ("tokenizer.chat_template", GGUFWriterValue.string("### {{ content }}"))
    #expect(try detected("llama-bpe", [none]) == .llama3)
    #expect(try detected("qwen2", [none]) == .chatml)
    #expect(try detected("smollm", [none]) == .smolVLM)
    #expect(try detected("llama-bpe", adding: "<end_of_utterance>", [none]) == .idefics3)
    #expect(try detected("yi", [none]) == .chatml)
    #expect(try detected("phi-3", [none]) == .phi3)
    #expect(try detected("gemma", [none]) == .gemma)
    #expect(try detected("llama-spm", [("general.architecture", .string("phi3"))]) == .phi3)
}

@Test func namesAndShapeTellMistralFromVicuna() throws {
    func named(_ name: String) throws -> ChatTemplate? {
        try detected("llama-spm", [("general.name", .string(name))])
    }
    #expect(try named("LLaVA v1.6 Mistral 7B") == .mistral)
    #expect(try named("BakLLaVA-1-mistral") == .vicuna)
    #expect(try named("liuhaotian_llava-v1.5-VICUNA") == .vicuna)
    #expect(try named("1.6") == nil)

    func shaped(base: Float, heads: UInt32, size: Int) throws -> ChatTemplate? {
        try detected(
            "llama-spm", padded: size,
            [
                ("general.architecture", .string("llama")), ("general.name", .string("1.6")),
                ("llama.rope.freq_base", .float32(base)),
                ("llama.attention.head_count_kv", .uint32(heads)),
            ])
    }
    #expect(try shaped(base: 1e6, heads: 8, size: 32000) == .mistral)
    #expect(try shaped(base: 1e4, heads: 8, size: 32000) == .vicuna)
    #expect(try shaped(base: 1e4, heads: 32, size: 32064) == .vicuna)
    #expect(try shaped(base: 1e4, heads: 32, size: 64000) == nil)
}

@Test func whatIsNotKnownIsNotGuessed() throws {
    #expect(try detected("gpt-2") == nil)
    #expect(try detected("llama-spm", [("general.name", .uint32(1))]) == nil)
    #expect(try detected("llama-spm", [("tokenizer.chat_template", .bool(true))]) == nil)
}

@Test(arguments: [
    (
        #"{{ '<|im_start|>system\nYou are SmolLM, a model.<|im_end|>\n' }}"#,
        "You are SmolLM, a model."
    ),
    ("{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}", "You are helpful."),
    (
        "{% if loop.first and role != 'system' %}<|im_start|>system\nYou are a helpful assistant."
            + "<|im_end|>\n{% endif %}<|im_start|>{{ role }}\n",
        "You are a helpful assistant."
    ),
    (
        #"{%- if messages[0].role == 'system' %}{{- '<|im_start|>system\n' }}{{- text }}"#
            + #"{{- '<|im_end|>\n' }}{%- endif %}{{- '<|im_start|>user\n' }}"#,
        ""
    ),
    ("{{ '<|im_start|>system\n' + system + '<|im_end|>\n' }}", ""),
    ("<|im_start|>system\n{{ system }}<|im_end|>", ""),
    ("{{ '<|im_start|>' + role }}", ""),
    ("<|im_start|>{{ role }}: {{ text }}<end_of_utterance>", nil),
    ("[INST] {{ text }} [/INST]", nil),
])
func theSystemPromptOfATemplateIsFound(written: String, system: String?) throws {
    #expect(try defaultSystem(written, model: "gpt2") == system)
}

/// LLaVA-1.6-34B was trained with a system prompt that the template of its base model, Yi, does not write.
@Test func aTemplateOfYiLeavesTheSystemPromptToLLaVA() throws {
    #expect(try defaultSystem("{{ '<|im_start|>' + role }}", model: "llama") == nil)
    #expect(try defaultSystem("{{ role }}", model: "gpt2") == nil)
}

private func defaultSystem(_ written: String, model: String) throws -> String? {
    var writer = GGUFWriter()
    writer.set("tokenizer.chat_template", .string(written))
    writer.set("tokenizer.ggml.model", .string(model))
    let folder = try TemporaryFolder()
    let file = try GGUFFile(path: folder.write(writer.bytes(), to: "text.gguf"))
    return ChatTemplate.defaultSystem(metadata: file.metadata)
}
