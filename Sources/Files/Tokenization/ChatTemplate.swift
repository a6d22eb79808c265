// SPDX-License-Identifier: Apache-2.0

/// The format of conversations that a model was trained on.
///
/// The forms are those of LLaVA's `conversation.py` and of the models' publishers.
public enum ChatTemplate: String, CaseIterable, Sendable {
    /// `USER: … ASSISTANT:`, of LLaVA-1.5, LLaVA-1.6-vicuna and BakLLaVA.
    case vicuna
    /// `[INST] … [/INST]`, of LLaVA-1.6-mistral.
    case mistral
    /// `<|start_header_id|>user<|end_header_id|>`, of the LLaVAs on Llama-3.
    case llama3 = "llama-3"
    /// `<|im_start|>user`, of LLaVA-1.6-34B and the LLaVAs on Qwen.
    case chatml
    /// `<|user|>`, of LLaVA-Phi-3.
    case phi3 = "phi-3"
    /// `<|im_start|>user<|im_sep|>`, of Phi-4.
    case phi4 = "phi-4"
    /// `<start_of_turn>user`, of Gemma.
    case gemma
    /// `<|im_start|>User: … Assistant:`, of SmolVLM and SmolVLM2.
    case smolVLM = "smolvlm"
    /// `User: … Assistant:` after the begin token, of Idefics3.
    case idefics3
    /// `<|im_start|>user <image>` and a text on the next line, of LLaVA-OneVision in Hugging Face's form.
    case oneVision = "llava-onevision"

    /// Texts that end an answer if the model spells them out instead of generating the token.
    public var stopStrings: [String] {
        switch self {
        case .vicuna, .mistral: ["</s>"]
        case .llama3: ["<|eot_id|>"]
        case .chatml: ["<|im_end|>"]
        case .phi3: ["<|end|>", "<|endoftext|>"]
        case .phi4: ["<|im_end|>"]
        case .gemma: ["<end_of_turn>"]
        case .smolVLM, .idefics3: ["<end_of_utterance>"]
        case .oneVision: ["<|im_end|>"]
        }
    }
}

/// The texts around system prompt, questions and answers.
struct TurnFormat: Sendable {
    /// The text that a conversation starts with, once.
    var start = ""
    /// The system prompt when the user gives none; empty for none.
    var defaultSystem = ""
    var systemPrefix = ""
    var systemSuffix: String
    /// Whether the system prompt follows the first `userPrefix` instead of preceding it.
    var systemIsPartOfQuestion = false
    let userPrefix: String
    /// The text between `userPrefix` and a question that starts with text; one that starts with a picture has none.
    var textPrefix = ""
    /// The text between two pictures; nil for the same as between a picture and text.
    var betweenPictures: String?
    /// The text after a question, up to the start of the answer.
    let userSuffix: String
    /// What the model generates before the text of an answer, and users do not see.
    var answerPrefix = ""
    /// The text of the token that ends an answer.
    let endOfTurn: String
    /// The text between `endOfTurn` and the next `userPrefix`.
    var separator = ""
    /// The tokens that the vocabulary must have for this template.
    var tokens: [String] = []
}

extension ChatTemplate {
    /// The texts of this template for models with the tokenizer's vocabulary.
    ///
    /// - Throws: `TokenizationError.templateNeedsToken` for the end of a sequence.
    func format(for tokenizer: Tokenizer) throws(TokenizationError) -> TurnFormat {
        switch self {
        case .vicuna:
            TurnFormat(
                defaultSystem: "A chat between a curious human and an artificial intelligence "
                    + "assistant. The assistant gives helpful, detailed, and polite answers to the "
                    + "human's questions.",
                systemSuffix: " ", userPrefix: "USER: ", userSuffix: " ASSISTANT:",
                endOfTurn: try endOfSequence(tokenizer))
        case .mistral:
            TurnFormat(
                systemSuffix: "\n\n", systemIsPartOfQuestion: true, userPrefix: "[INST] ",
                userSuffix: " [/INST]", endOfTurn: try endOfSequence(tokenizer))
        case .llama3:
            TurnFormat(
                systemPrefix: "<|start_header_id|>system<|end_header_id|>\n\n",
                systemSuffix: "<|eot_id|>",
                userPrefix: "<|start_header_id|>user<|end_header_id|>\n\n",
                userSuffix: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
                endOfTurn: "<|eot_id|>",
                tokens: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"])
        case .chatml:
            // LLaVA-1.6-34B (on Yi, with a SentencePiece vocabulary) was trained without the line breaks
            // that Qwen's form has between turns.
            tokenizer.isSentencePiece
                ? Self.chatml(system: "Answer the questions.", separator: "")
                : Self.chatml(system: "You are a helpful assistant.", separator: "\n")
        case .phi3:
            TurnFormat(
                systemPrefix: "<|system|>\n", systemSuffix: "<|end|>\n", userPrefix: "<|user|>\n",
                userSuffix: "<|end|>\n<|assistant|>\n", endOfTurn: "<|end|>", separator: "\n",
                tokens: ["<|user|>", "<|end|>", "<|assistant|>"])
        case .phi4:
            TurnFormat(
                systemPrefix: "<|im_start|>system<|im_sep|>", systemSuffix: "<|im_end|>",
                userPrefix: "<|im_start|>user<|im_sep|>",
                userSuffix: "<|im_end|><|im_start|>assistant<|im_sep|>", endOfTurn: "<|im_end|>",
                tokens: ["<|im_start|>", "<|im_sep|>", "<|im_end|>"])
        case .gemma:
            TurnFormat(
                systemSuffix: "\n\n", systemIsPartOfQuestion: true,
                userPrefix: "<start_of_turn>user\n",
                userSuffix: "<end_of_turn>\n<start_of_turn>model\n", endOfTurn: "<end_of_turn>",
                separator: "\n", tokens: ["<start_of_turn>", "<end_of_turn>"])
        case .smolVLM:
            Self.utterances(start: "<|im_start|>", tokens: ["<|im_start|>", "<end_of_utterance>"])
        case .idefics3: Self.utterances(start: "", tokens: ["<end_of_utterance>"])
        case .oneVision:
            TurnFormat(
                systemPrefix: "<|im_start|>system \n", systemSuffix: "<|im_end|>",
                userPrefix: "<|im_start|>user ", textPrefix: "\n", betweenPictures: "",
                userSuffix: "<|im_end|><|im_start|>assistant\n", endOfTurn: "<|im_end|>",
                tokens: ["<|im_start|>", "<|im_end|>"])
        }
    }

    /// Whether a vocabulary has all tokens of this template.
    package func hasTokens(in tokenizer: Tokenizer) -> Bool {
        (try? format(for: tokenizer))?.tokens.allSatisfy {
            tokenizer.specialToken($0) != nil
        } ?? false
    }

    private static func utterances(start: String, tokens: [String]) -> TurnFormat {
        TurnFormat(
            start: start, systemPrefix: "System: ", systemSuffix: "<end_of_utterance>\n",
            userPrefix: "User:", textPrefix: " ", userSuffix: "<end_of_utterance>\nAssistant:",
            answerPrefix: " ", endOfTurn: "<end_of_utterance>", separator: "\n", tokens: tokens)
    }

    private static func chatml(system: String, separator: String) -> TurnFormat {
        TurnFormat(
            defaultSystem: system, systemPrefix: "<|im_start|>system\n",
            systemSuffix: "<|im_end|>\(separator)", userPrefix: "<|im_start|>user\n",
            userSuffix: "<|im_end|>\(separator)<|im_start|>assistant\n", endOfTurn: "<|im_end|>",
            separator: separator, tokens: ["<|im_start|>", "<|im_end|>"])
    }

    private func endOfSequence(_ tokenizer: Tokenizer) throws(TokenizationError) -> String {
        guard let token = tokenizer.endOfSequence else {
            throw .templateNeedsToken(
                file: tokenizer.fileName, template: rawValue, token: "</s>")
        }
        return tokenizer.tokenText(token)
    }
}
