// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// CDPruner (arXiv 2506.10967): a determinantal point process over tokens relevant to the question.
///
/// Relevance is the cosine with the mean of the question's decoder embeddings, since GGUF files do not
/// carry CLIP's text tower, which the paper uses.
public struct CDPruner: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo(
        "cdpruner", "diverse given the question's relevance (CDPruner)", needs: [.text])

    /// A selector without options.
    public init() {}

    /// The greedy maximum a posteriori set of the kernel `diag(r) V̂ V̂ᵀ diag(r)`.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        let units = try ops.unitRows(of: input.embeddings, input: "visual token embeddings")
        var relevance = [Float](repeating: 1, count: input.count)
        if let question = input.question {
            let mean = Activations(ops.mean(of: question), width: question.width)
            let direction = try ops.unitRows(of: mean, input: "text embeddings")
            relevance = ops.products(of: units, with: direction.values).scaledToUnitRange()
        }
        return try mostDeterminantTokens(units, keep: keep, relevance: relevance, ops: ops)
    }
}

/// Greedily keeps the tokens that most increase the determinant of their kernel matrix, by an
/// incremental Cholesky factorisation (arXiv 1709.05135).
///
/// - Parameters:
///   - rows: tokens of length 1 or 0, `[tokens, width]`.
///   - relevance: one factor per token, 0 to 1.
/// - Returns: `keep` indices in the order of their choice; once nothing is left that the kept tokens do
///   not span, the lowest indices.
private func mostDeterminantTokens(
    _ rows: Activations, keep: Int, relevance: [Float], ops: TensorOps
) throws(PruningError) -> [Int] {
    /// Below this part of the largest diagonal element a residual is rounding.
    let residualTolerance: Float = 1e-5
    let count = rows.rows
    let cosines = try Cosines(of: rows, reads: keep, ops: ops)
    let factors = try granted { () throws(MemoryShortage) in
        try ops.grantedActivations(rows: keep, width: count)  // [step, tokens]
    }
    var residuals = zip(relevance, ops.squaredLengths(of: rows)).map { $0 * $0 * $1 }
    let tolerance = residualTolerance * (residuals.max() ?? 0)
    var chosen: [Int] = []
    while chosen.count < keep {
        let best = residuals.indexOfLargest(tolerance: cosineTolerance)
        let residual = residuals[best]
        guard residual > tolerance else { break }
        let factor = factors.row(chosen.count)
        cosines.withRow(best) { row in
            for token in 0..<count {
                factor[token] = relevance[best] * relevance[token] * row[token]
            }
        }
        for step in chosen.indices {
            let (earlier, along) = (factors.row(step), factors.row(step)[best])
            for token in 0..<count { factor[token] -= along * earlier[token] }
        }
        let scale = 1 / residual.squareRoot()
        for token in 0..<count {
            factor[token] *= scale
            residuals[token] -= factor[token] * factor[token]
        }
        residuals[best] = -.infinity
        chosen.append(best)
    }
    let isChosen = Set(chosen)
    let others = (0..<count).lazy.filter { !isChosen.contains($0) }
    return chosen + others.prefix(keep - chosen.count)
}
