// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// Greedily keeps the token with the largest weighted distance, `1 − cosine`, to its nearest kept one.
///
/// The first is the one with the largest weighted distance to its nearest neighbour.
///
/// - Parameters:
///   - rows: tokens of length 1 or 0, `[tokens, width]`.
///   - weights: one factor per token, 0 to 1.
/// - Returns: `keep` indices in the order of their choice.
/// - Throws: `PruningError.noMemory`.
func farthestTokens(
    _ rows: Activations, keep: Int, weights: [Float], ops: TensorOps
) throws(PruningError) -> [Int] {
    let cosines = try granted { () throws(MemoryShortage) in try ops.gram(rows) }
    var nearest = ops.map(0..<rows.rows) { token in
        let row = cosines.row(token)
        return 1 - (0..<rows.rows).reduce(-Float.infinity) { $1 == token ? $0 : max($0, row[$1]) }
    }
    var isChosen = [Bool](repeating: false, count: rows.rows)
    var chosen: [Int] = []
    while true {
        let scores = nearest.indices.map {
            isChosen[$0] ? -Float.infinity : weights[$0] * nearest[$0]
        }
        let token = scores.indexOfLargest(tolerance: cosineTolerance)
        isChosen[token] = true
        chosen.append(token)
        guard chosen.count < keep else { return chosen }
        if chosen.count == 1 { nearest = [Float](repeating: .infinity, count: rows.rows) }
        let row = cosines.row(token)
        for other in nearest.indices { nearest[other] = min(nearest[other], 1 - row[other]) }
    }
}
