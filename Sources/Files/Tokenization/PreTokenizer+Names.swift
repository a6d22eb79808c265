// SPDX-License-Identifier: Apache-2.0

extension PreTokenizer {
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}`
    /// `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
    static let llama3 = PreTokenizer(.modern(numbers: 1...3)).with {
        ($0.keepsWholeWords, $0.addsBeginOfSequence) = (true, true)
    }

    /// Llama-3's with `\p{N}` in place of `\p{N}{1,3}`.
    static let qwen2 = PreTokenizer(.modern(numbers: 1...1)).with { $0.composes = true }

    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
    static let gpt2 = PreTokenizer(.classic)

    /// `[^\n]+|[\n]+`, after spaces were replaced.
    static let gemma4 = PreTokenizer(.lines).with { $0.spelling = .characters }

    /// A rule under the names that it has in `tokenizer.ggml.pre`.
    private struct Rule {
        let names: [String]
        let preTokenizer: PreTokenizer

        init(_ names: String..., is preTokenizer: PreTokenizer) {
            (self.names, self.preTokenizer) = (names, preTokenizer)
        }
    }

    private static let rules: [Rule] = [
        Rule(
            "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0",
            "lfm2", is: llama3),
        Rule("glm4", "glm5", is: llama3.with { $0.addsBeginOfSequence = false }),
        Rule("dbrx", "smaug-bpe", "chatglm-bpe", is: PreTokenizer(.modern(numbers: 1...3))),
        Rule(
            "minicpm5",
            is: PreTokenizer(
                WordExpression(.numbers, 1...3), .modern(numbers: 1...Int.max)
            ).with { $0.keepsWholeWords = true }),
        Rule("qwen2", is: qwen2),
        Rule(
            "deepseek-r1-qwen", "kormo", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2",
            "bailingmoe", "bailingmoe2", "llada-moe", is: qwen2.with { $0.composes = false }),
        Rule("qwen35", is: PreTokenizer(.modern(letters: [.letter, .mark], numbers: 1...1))),
        Rule("seed-coder", is: PreTokenizer(.modern(numbers: 1...1, afterSymbols: nil))),
        Rule(
            "gpt-2", "phi-2", "jais", "gigachat", "a.x-4.0", "mellum", "exaone4", "trillion",
            "granite-docling", is: gpt2),
        Rule("mpt", "olmo", is: gpt2.with { $0.composes = true }),
        Rule(
            "smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2",
            is: digitsAlone),
        Rule("command-r", is: digitsAlone.with { $0.composes = true }),
        Rule(
            "falcon",
            is: PreTokenizer(
                WordExpression(.falconPunctuation), .classic, WordExpression(.asciiDigits, 3...3))),
        Rule(
            "default",
            is: PreTokenizer(
                WordExpression(.defaultPunctuation), .classic, WordExpression(.numbers),
                WordExpression(.asciiDigits, 3...3))),
        Rule(
            "tekken",
            is: PreTokenizer(.cased(numbers: 1...1, contractions: false)).with {
                ($0.keepsWholeWords, $0.addsBeginOfSequence) = (true, true)
            }),
        Rule(
            "gpt-4o", "llama4", "kanana2", "minimax-m2",
            is: PreTokenizer(.cased(numbers: 1...3, contractions: true))),
        Rule(
            "deepseek-llm",
            is: PreTokenizer(
                WordExpression(.newlines, 1...1), .spaced(.deepSeekLetters),
                .spaced(.deepSeekPunctuation), WordExpression([[.whiteSpaceAtEnd]]),
                WordExpression(.deepSeekIdeographs), WordExpression(.numbers))),
        Rule(
            "deepseek-coder",
            is: PreTokenizer(
                WordExpression(.newlines, 1...1), .spaced(CharacterGroup(.letter)),
                .spaced(CharacterGroup(.punctuation)), WordExpression(.deepSeekIdeographs),
                WordExpression(.numbers, 1...1))),
        Rule(
            "deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4",
            is: PreTokenizer(
                WordExpression(.numbers, 1...3), WordExpression(.ideographsAndKana), .deepSeek3)),
        Rule("poro-chat", "bloom", "gpt3-finnish", is: PreTokenizer(.sentenceParts)),
        Rule("viking", is: PreTokenizer(.sentenceParts, WordExpression(.numbers, 1...1))),
        Rule("gemma4", is: gemma4),
    ]

    /// `\p{N}`, then GPT-2's.
    private static let digitsAlone = PreTokenizer(WordExpression(.numbers, 1...1), .classic)

    /// Names of rules in `tokenizer.ggml.pre`.
    static let names = rules.flatMap(\.names)

    private static let byName = Dictionary(
        uniqueKeysWithValues: rules.flatMap { rule in
            rule.names.map { ($0, rule.preTokenizer) }
        })

    /// The rule of this name; nil for one that is not known.
    static func named(_ name: String) -> PreTokenizer? { byName[name] }
}
