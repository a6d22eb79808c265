// SPDX-License-Identifier: Apache-2.0

/// The SentencePiece vocabulary of tiny models: the special tokens, all bytes, and single letters.
public enum TinyVocabulary {
    /// Begins a sequence.
    public static let begin: Int32 = 1
    /// Ends a sequence.
    public static let end: Int32 = 2

    /// The texts of the tokens.
    public static let pieces: [String] =
        ["<unk>", "<s>", "</s>"]
        + (0..<256).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return "<0x\(byte < 16 ? "0" : "")\(digits)>"
        }
        + ["\u{2581}", "\u{2581}a", "é", "日"] + "abcdefghijklmnopqrstuvwxyz".map(String.init)

    /// The token of a piece.
    public static func token(_ piece: String) -> Int32 {
        guard let index = pieces.firstIndex(of: piece) else {
            preconditionFailure("no piece \(piece)")
        }
        return Int32(index)
    }

    /// Writes the vocabulary's metadata.
    ///
    /// - Parameter markers: control tokens after the pieces.
    static func write(to file: inout TinyFile, markers: [String]) {
        let tokens = pieces + markers
        file["tokenizer.ggml.model"] = .string("llama")
        file["tokenizer.ggml.tokens"] = .strings(tokens)
        file["tokenizer.ggml.scores"] = .float32s(tokens.indices.map { -Float($0) })
        file["tokenizer.ggml.token_type"] = .int32s(
            tokens.indices.map { index in
                switch index {
                case 0: 2
                case 1, 2, pieces.count...: 3
                case 3..<259: 6
                default: 1
                }
            })
        file["tokenizer.ggml.bos_token_id"] = .uint32(UInt32(begin))
        file["tokenizer.ggml.eos_token_id"] = .uint32(UInt32(end))
    }
}
