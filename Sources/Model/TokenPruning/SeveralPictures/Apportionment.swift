// SPDX-License-Identifier: Apache-2.0

/// Divides `total` in proportion to `weights`, each part within its limits.
///
/// Fractions go to the largest remainders, lowest index first among equals. A total outside the
/// limits is clamped to them.
func apportion(_ total: Int, weights: [Double], limits: [ClosedRange<Int>]) -> [Int] {
    precondition(weights.count == limits.count)
    let least = limits.reduce(0) { $0 + $1.lowerBound }
    let most = limits.reduce(0) { $0 + $1.upperBound }
    let total = min(max(total, least), most)
    let shares = boundedShares(Double(total), weights: weights, limits: limits)
    var parts = shares.map { Int($0) }
    let byRemainder = parts.indices.sorted {
        (shares[$1] - Double(parts[$1]), $0) < (shares[$0] - Double(parts[$0]), $1)
    }
    var rest = total - parts.reduce(0, +)
    while rest > 0 {
        for index in byRemainder where rest > 0 && parts[index] < limits[index].upperBound {
            parts[index] += 1
            rest -= 1
        }
    }
    return parts
}

/// Real shares, proportional to the weights as far as the limits allow.
///
/// Their sum is at most `total`, and as close to it as rounding permits.
private func boundedShares(
    _ total: Double, weights: [Double], limits: [ClosedRange<Int>]
) -> [Double] {
    // A weight of zero would leave its share at the lower limit when all others are at their upper.
    let positive = weights.map { max($0, 1e-9) }
    func shares(_ perWeight: Double) -> [Double] {
        zip(positive, limits).map {
            min(max(perWeight * $0, Double($1.lowerBound)), Double($1.upperBound))
        }
    }
    var (low, high) = (0.0, (total + 1) / (positive.min() ?? 1))
    if shares(high).reduce(0, +) <= total { return shares(high) }
    // Bisection until neighbouring numbers are reached.
    while true {
        let middle = low + (high - low) / 2
        guard middle > low && middle < high else { return shares(low) }
        if shares(middle).reduce(0, +) <= total { low = middle } else { high = middle }
    }
}
