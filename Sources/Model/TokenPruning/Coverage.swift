// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// Greedily keeps the tokens that together cover as much as possible: facility location.
///
/// Each step adds the token j with the largest gain `weight_j · Σ_r max(0, A_jr − max_kept A_kr)`.
/// Gains never grow, so a token is examined again only when its last gain could still be the best;
/// the choice is the same as if all were examined (Minoux, 1978).
///
/// - Parameters:
///   - coverage: how well each token covers each thing, `[tokens, things]`; only positive numbers
///     count.
///   - weights: one factor per token, at least 0.
/// - Returns: `keep` indices in the order of their choice.
func coveringTokens(
    _ coverage: Activations, keep: Int, weights: [Float], ops: TensorOps
) -> [Int] {
    precondition(weights.count == coverage.rows && weights.allSatisfy { $0 >= 0 })
    let covered = Activations([Float](repeating: 0, count: coverage.width), width: coverage.width)
    func gain(_ token: Int) -> Float {
        weights[token] * sumOfExcess(coverage.row(token), over: covered.values, coverage.width)
    }
    var gains = ops.map(0..<coverage.rows, gain)
    var chosen: [Int] = []
    while chosen.count < keep {
        if !chosen.isEmpty {
            let likeliest = gains.indexOfLargest(tolerance: 0)
            gains[likeliest] = gain(likeliest)
            let threshold = gains[likeliest] * (1 - cosineTolerance)
            let promising = gains.indices.filter { $0 != likeliest && gains[$0] >= threshold }
            for (token, fresh) in zip(promising, ops.map(promising, gain)) { gains[token] = fresh }
        }
        let largest = gains.max() ?? 0
        let best = gains.indexOfLargest(tolerance: largest * cosineTolerance)
        chosen.append(best)
        gains[best] = -.infinity
        raise(covered.values, to: coverage.row(best), coverage.width)
    }
    return chosen
}

/// `Σ max(0, values − floor)` without excesses that are mere rounding, by which equal tokens
/// differ.
private func sumOfExcess(
    _ values: UnsafePointer<Float>, over floor: UnsafePointer<Float>, _ count: Int
) -> Float {
    // Relative to the value. A softmax at temperature 0.02 turns a cosine's rounding error of 1e-7
    // into 5e-6.
    let rounding: Float = 1e-5
    var sums = SIMD16<Float>(repeating: 0)
    let (rawValues, rawFloor) = (UnsafeRawPointer(values), UnsafeRawPointer(floor))
    let vectorEnd = count / 16 * 16
    for index in stride(from: 0, to: vectorEnd, by: 16) {
        let value = rawValues.loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
        let excess =
            value - rawFloor.loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
        sums += excess.replacing(with: 0, where: excess .< rounding * value)
    }
    return (vectorEnd..<count).reduce(sums.sum()) { sum, index in
        let excess = values[index] - floor[index]
        return excess < rounding * values[index] ? sum : sum + excess
    }
}

/// `floor = max(floor, values)`.
private func raise(
    _ floor: UnsafeMutablePointer<Float>, to values: UnsafePointer<Float>, _ count: Int
) {
    for index in 0..<count where values[index] > floor[index] { floor[index] = values[index] }
}
