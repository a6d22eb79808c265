// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps

/// `eˣ` in every lane: within 1.2e-7 of the value with FMA, NaN for NaN.
///
/// With x = n ln 2 + r, |r| ≤ ln 2 / 2, it is 2ⁿ · eʳ; the polynomial is that of Cephes' `expf`
/// (Moshier, netlib.org/cephes).
@inline(__always)
func exponential(_ x: FloatVector) -> FloatVector {
    // Beyond these bounds the result is zero and infinity.
    let bounded = smaller_float(larger_float(x, .all(-105)), .all(89))
    // Adding 1.5 · 2²³ rounds to an integer.
    let shifted = multiply_add(.all(12_582_912), bounded, .all(1.442_695_04))
    let power = shifted - .all(12_582_912)
    // ln 2 in two parts; the first has so few bits that its products are exact.
    let r = multiply_add(
        multiply_add(bounded, power, .all(-0.693_359_375)), power, .all(2.121_944_4e-4))
    var sum = multiply_add(.all(1.398_199_950_7e-3), .all(1.987_569_15e-4), r)
    sum = multiply_add(.all(8.333_451_907_3e-3), sum, r)
    sum = multiply_add(.all(4.166_579_589_4e-2), sum, r)
    sum = multiply_add(.all(1.666_666_545_9e-1), sum, r)
    sum = multiply_add(.all(5.000_000_120_1e-1), sum, r)
    sum = multiply_add(r + .all(1), sum, r * r)
    return scaled_by_power(sum, power)
}
