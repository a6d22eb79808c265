// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// The greedy maximum of the expected distance between kept tokens, `1 − cosine` (arXiv 2509.00320).
///
/// Each further token has the least mean cosine with those already kept, which is the least sum.
///
/// - Parameters:
///   - rows: tokens of length 1 or 0, `[tokens, width]`.
///   - first: the first token; nil for the one with the least mean cosine with all.
/// - Returns: `keep` indices in the order of their choice.
/// - Throws: `PruningError.noMemory`.
func repMax(
    _ rows: Activations, keep: Int, first: Int? = nil, ops: TensorOps
) throws(PruningError) -> [Int] {
    precondition(keep <= rows.rows)
    guard keep > 0 else { return [] }
    let cosines = try Cosines(of: rows, reads: keep - 1, ops: ops)
    var chosen = [first ?? leastTypicalToken(of: rows, ops)]
    // Minus the sum of the cosines with the chosen tokens.
    var scores = [Float](repeating: 0, count: rows.rows)
    while chosen.count < keep, let last = chosen.last {
        cosines.withRow(last) { row in
            for index in scores.indices { scores[index] -= row[index] }
        }
        scores[last] = -.infinity
        chosen.append(scores.indexOfLargest(tolerance: cosineTolerance * Float(chosen.count)))
    }
    return chosen
}

/// The token with the least mean cosine with all.
private func leastTypicalToken(of rows: Activations, _ ops: TensorOps) -> Int {
    let means = ops.products(of: rows, with: ops.mean(of: rows))
    return means.map { -$0 }.indexOfLargest(tolerance: cosineTolerance)
}
