// SPDX-License-Identifier: Apache-2.0
import Foundation

/// CIDEr-D (arXiv 1411.5726): how well a caption's words and phrases match those that people use for the same
/// picture and not for others.
///
/// `normalisedWords` splits the words; the original uses the Penn Treebank's tokenizer.
public struct CaptionConsensus {
    /// The most words of a phrase.
    private static let longestPhrase = 4
    /// The standard deviation of the length penalty.
    private static let deviation = 6.0

    private typealias Counts = [[String]: Double]

    /// The number of pictures whose captions use each phrase.
    private var uses: [[String]: Int] = [:]
    private let pictures: Int

    /// Counts the phrases of people's captions, a list for each picture.
    public init(references: [[String]]) {
        pictures = references.count
        for captions in references {
            let phrases = Set(captions.flatMap { Self.phrases($0).keys })
            for phrase in phrases { uses[phrase, default: 0] += 1 }
        }
    }

    /// The consensus of a caption with people's captions of the same picture: 0 to 10.
    public func score(_ caption: String, _ references: [String]) -> Double {
        guard !references.isEmpty else { return 0 }
        let candidate = vectors(caption)
        let sum = references.reduce(0.0) { sum, reference in
            sum + similarity(candidate, vectors(reference))
        }
        return 10 * sum / Double(references.count)
    }

    /// A text's weighted phrases, and its length in pairs of words.
    private struct Vectors {
        var weights: [[[String]: Double]]  // for each length of phrases
        var norms: [Double]
        var length: Double
    }

    private static func phrases(_ text: String) -> Counts {
        let words = normalisedWords(text)
        var counts: Counts = [:]
        for length in 1...longestPhrase where words.count >= length {
            for start in 0...(words.count - length) {
                counts[Array(words[start..<(start + length)]), default: 0] += 1
            }
        }
        return counts
    }

    private func vectors(_ text: String) -> Vectors {
        var vectors = Vectors(
            weights: Array(repeating: [:], count: Self.longestPhrase),
            norms: Array(repeating: 0, count: Self.longestPhrase), length: 0)
        for (phrase, count) in Self.phrases(text) {
            let rarity = log(Double(pictures)) - log(Double(max(1, uses[phrase] ?? 0)))
            let weight = count * rarity
            vectors.weights[phrase.count - 1][phrase] = weight
            vectors.norms[phrase.count - 1] += weight * weight
            // The original measures length in phrases of two words.
            if phrase.count == 2 { vectors.length += count }
        }
        vectors.norms = vectors.norms.map { $0.squareRoot() }
        return vectors
    }

    private func similarity(_ candidate: Vectors, _ reference: Vectors) -> Double {
        let difference = candidate.length - reference.length
        let penalty = exp(-difference * difference / (2 * Self.deviation * Self.deviation))
        let cosines = (0..<Self.longestPhrase).map { index in
            let product = candidate.weights[index].reduce(0.0) { sum, entry in
                // Repeating a phrase does not raise the score.
                let other = reference.weights[index][entry.key] ?? 0
                return sum + min(entry.value, other) * other
            }
            let norms = candidate.norms[index] * reference.norms[index]
            return norms > 0 ? product / norms : 0
        }
        return penalty * cosines.reduce(0, +) / Double(Self.longestPhrase)
    }
}
