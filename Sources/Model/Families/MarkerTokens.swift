// SPDX-License-Identifier: Apache-2.0
import GGUF
import Tokenization
import Weights

/// The tokens by which a text model tells where pictures are.
package struct MarkerTokens {
    private let text: GGUFFile
    private let projector: String
    private let tokenizer: Tokenizer?

    /// Markers of a text model.
    ///
    /// - Parameters:
    ///   - projector: the path of the mmproj file beside it.
    ///   - tokenizer: that of the file; nil to read it when a family asks for markers.
    package init(_ text: GGUFFile, beside projector: String, _ tokenizer: Tokenizer? = nil) {
        (self.text, self.projector, self.tokenizer) = (text, projector, tokenizer)
    }

    /// What encodes markers.
    ///
    /// - Throws: `ModelError` for a file without a vocabulary that is known here.
    func encoder() throws(ModelError) -> MarkerEncoder {
        let files = PairFiles(text: text.path, projector: projector)
        if let tokenizer { return MarkerEncoder(tokenizer: tokenizer, files: files) }
        do {
            return MarkerEncoder(tokenizer: try Tokenizer(metadata: text.metadata), files: files)
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
    let files: PairFiles

    /// The tokens of a text.
    func tokens(_ text: String) -> [TokenID] { tokenizer.encode(text) }

    /// The special token with this text.
    ///
    /// - Throws: `ModelError.mismatchedPair` where the vocabulary has none.
    func special(_ text: String) throws(ModelError) -> TokenID {
        guard let token = tokenizer.specialToken(text) else {
            throw files.mismatch(.marker(text))
        }
        return token
    }
}
