// SPDX-License-Identifier: Apache-2.0

/// Splits text into the words that byte-pair encoding never merges across.
///
/// Each expression splits what the ones before it have left. `PreTokenizer+Names.swift` lists the expressions of the
/// published tokenizers.
struct PreTokenizer: Sendable {
    /// How pieces write the text that they stand for.
    enum Spelling: Sendable {
        /// GPT-2's alphabet of bytes; words are merged from bytes.
        case bytes
        /// UTF-8 with U+2581 for spaces, as in SentencePiece's vocabularies; words are merged from characters, and
        /// those that no piece covers are spelled in byte tokens.
        case characters
    }

    let expressions: [WordExpression]
    /// Whether a word that is a token stays whole, even if no merges lead to it.
    var keepsWholeWords = false
    /// Whether the model expects its begin token where the file says nothing about it.
    var addsBeginOfSequence = false
    /// Whether characters are composed (NFC) before anything else.
    var composes = false
    var spelling = Spelling.bytes

    init(_ expressions: WordExpression...) {
        self.expressions = expressions
    }

    /// The same with other settings.
    func with(_ change: (inout Self) -> Void) -> Self {
        var changed = self
        change(&changed)
        return changed
    }

    /// Splits `text` into words; without `composes`, nothing is changed or dropped.
    ///
    /// - Parameter text: valid UTF-8.
    func words(in text: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        let text = composes ? CanonicalComposition.compose(text) : text
        let classified = ClassifiedText(text)
        var words = text.isEmpty ? [] : [classified.scalars.indices]
        for expression in expressions {
            var split: [Range<Int>] = []
            split.reserveCapacity(words.count)
            for word in words { expression.split(word, of: classified, into: &split) }
            words = split
        }
        return words.map {
            text[classified.offsets[$0.lowerBound]..<classified.offsets[$0.upperBound]]
        }
    }
}
