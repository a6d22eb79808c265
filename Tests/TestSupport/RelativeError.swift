// SPDX-License-Identifier: Apache-2.0

/// The largest difference relative to the largest expected number; infinite for different counts and for empty
/// arrays.
public func relativeError(_ values: [Float], _ expected: [Float]) -> Float {
    guard values.count == expected.count, !expected.isEmpty else { return .infinity }
    let scale = expected.reduce(Float.leastNormalMagnitude) { max($0, abs($1)) }
    return zip(values, expected).reduce(0) { max($0, abs($1.0 - $1.1)) } / scale
}
