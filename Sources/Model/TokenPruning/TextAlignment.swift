// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// How the alignment of a visual token with the question is measured.
public enum AlignmentMetric: String, CaseIterable, Sendable {
    /// The negative mean squared distance to the text tokens, as published.
    case squaredL2 = "squared-l2"
    /// The negative mean distance to the text tokens.
    case l2
    /// The mean cosine with the text tokens.
    case cosine

    /// The alignment of every visual token with `text`, larger for better (arXiv 2509.00320).
    ///
    /// - Parameters:
    ///   - embeddings: the projector's rows, `[tokens, width]`.
    ///   - text: the decoder's rows of at least one text token, `[textTokens, width]`.
    /// - Throws: `PruningError.notFinite` when the squares of the numbers overflow, `PruningError.noMemory`.
    public func scores(
        of embeddings: Activations, with text: Activations, ops: TensorOps
    ) throws(PruningError) -> [Float] {
        precondition(text.rows > 0 && text.width == embeddings.width)
        let scores: [Float]
        switch self {
        case .squaredL2: scores = negativeSquaredDistances(embeddings, text, ops)
        case .l2: scores = try negativeDistances(embeddings, text, ops)
        case .cosine:
            let direction = ops.mean(of: try ops.unitRows(of: text, input: "text embeddings"))
            let units = try ops.unitRows(of: embeddings, input: "visual token embeddings")
            scores = ops.products(of: units, with: direction)
        }
        guard scores.allSatisfy(\.isFinite) else {
            throw .notFinite(input: "visual token and text embeddings")
        }
        return scores
    }

    /// `−(1/M) Σ_j ‖v − t_j‖² = 2 v·t̄ − ‖v‖² − (1/M) Σ_j ‖t_j‖²`: one product per token.
    private func negativeSquaredDistances(
        _ embeddings: Activations, _ text: Activations, _ ops: TensorOps
    ) -> [Float] {
        let textLength = ops.squaredLengths(of: text).reduce(0, +) / Float(text.rows)
        let alongMean = ops.products(of: embeddings, with: ops.mean(of: text))
        return zip(alongMean, ops.squaredLengths(of: embeddings)).map { 2 * $0 - $1 - textLength }
    }

    /// `−(1/M) Σ_j ‖v − t_j‖`, which needs every pair.
    private func negativeDistances(
        _ embeddings: Activations, _ text: Activations, _ ops: TensorOps
    ) throws(PruningError) -> [Float] {
        let products = try granted { () throws(MemoryShortage) in
            try ops.products(of: embeddings, with: text)
        }
        let (lengths, textLengths) = (
            ops.squaredLengths(of: embeddings), ops.squaredLengths(of: text)
        )
        return lengths.indices.map { token in
            let row = products.row(token)
            let sum = textLengths.indices.reduce(Float(0)) { sum, other in
                sum + max(0, lengths[token] + textLengths[other] - 2 * row[other]).squareRoot()
            }
            return -sum / Float(text.rows)
        }
    }
}
