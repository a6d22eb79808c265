// SPDX-License-Identifier: Apache-2.0
import GGUF
import Tokenization
import Weights

/// The tokens by which a text model tells where pictures are.
package struct MarkerTokens {
    private let text: GGUFFile
    private let tokenizer: Tokenizer?

    /// Markers of a text model.
    ///
    /// - Parameter tokenizer: that of the file; nil to read it when a family asks for markers.
    package init(_ text: GGUFFile, _ tokenizer: Tokenizer? = nil) {
        (self.text, self.tokenizer) = (text, tokenizer)
    }

    /// What encodes markers.
    ///
    /// - Throws: `ModelError` for a file without a vocabulary that is known here.
    func encoder() throws(ModelError) -> MarkerEncoder {
        if let tokenizer { return MarkerEncoder(tokenizer: tokenizer, file: text.path) }
        do {
            return MarkerEncoder(
                tokenizer: try Tokenizer(metadata: text.metadata), file: text.path)
        } catch {
            throw .invalidValue(
                file: text.path, key: "tokenizer.ggml", value: "\(error)",
                expected: "a vocabulary with markers for pictures")
        }
    }
}

/// Encodes markers.
struct MarkerEncoder {
    let tokenizer: Tokenizer
    /// The text model's file.
    let file: String

    /// The tokens of a text.
    func tokens(_ text: String) -> [TokenID] { tokenizer.encode(text) }

    /// The special token with this text.
    ///
    /// - Throws: `ModelError.invalidValue` where the vocabulary has none.
    func special(_ text: String) throws(ModelError) -> TokenID {
        guard let token = tokenizer.specialToken(text) else {
            throw .invalidValue(
                file: file, key: "tokenizer.ggml.tokens", value: "without \(text)",
                expected: "the markers of the vision projector's family")
        }
        return token
    }
}
