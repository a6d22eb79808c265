// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// The largest of `count` numbers that is not NaN, or minus infinity.
@inline(__always)
func largest(_ values: UnsafePointer<Float>, _ count: Int) -> Float {
    var result = FloatVector.all(-.infinity)
    forEachVector(count) { first, lanes in
        let loaded = FloatVector.load(values + first, lanes)
        result = larger_float(
            result, lanes == lane_count ? loaded : choose_first(loaded, .all(-.infinity), lanes))
    }
    return float_max(result)
}

/// Replaces every number by `exp(x - offset)` and returns the sum.
@inline(__always)
func exponentiate(
    _ values: UnsafeMutablePointer<Float>, _ count: Int, minus offset: Float
) -> Float {
    rowSum(count) { sum, first, lanes in
        let power = exponential(.load(values + first, lanes) - .all(offset))
        power.store(values + first, lanes)
        return sum + (lanes == lane_count ? power : choose_first(power, .all(0), lanes))
    }
}

extension KernelTable {
    mutating func vectoriseSoftmax() {
        softmax = { values, count in
            let sum = exponentiate(values, count, minus: largest(values, count))
            let scale = FloatVector.all(1 / sum)
            mapInPlace(values, count) { $0 * scale }
        }
    }
}
