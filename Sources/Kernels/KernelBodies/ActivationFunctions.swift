// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// `x · sigmoid(factor · x)` in every lane.
@inline(__always)
private func sigmoidProduct(_ x: FloatVector, factor: Float) -> FloatVector {
    x / (.all(1) + exponential(x * .all(-factor)))
}

/// `x · sigmoid(2t)`, t = √(2/π) · (x + 0.044715 x³), in every lane: x/2 · (1 + tanh(t)).
@inline(__always)
private func tanhProduct(_ x: FloatVector) -> FloatVector {
    let factor = multiply_add(.all(-1.595_769_12), .all(-0.071_354_816), x * x)
    return x / (.all(1) + exponential(x * factor))
}

/// `x/2 · (1 + erf(x/√2))` in every lane; the sum in brackets is within 1.2e-7.
@inline(__always)
private func errorFunctionProduct(_ x: FloatVector) -> FloatVector {
    let scaled = x * .all(0.707_106_78)
    let magnitude = larger_float(scaled, .all(0) - scaled)
    // 1 + erf(t) is 2 - erfc(t), or erfc(-t).
    let tail = complementaryErrorFunction(magnitude)
    let outer = (.all(2) - tail).replacing(with: tail, where: scaled .< .all(0))
    let inner = .all(1) + errorFunctionNearZero(scaled)
    return x * .all(0.5) * inner.replacing(with: outer, where: magnitude .> .all(0.921_875))
}

/// `erf(t)` for |t| ≤ 0.93, as t + t · P(t²).
@inline(__always)
private func errorFunctionNearZero(_ t: FloatVector) -> FloatVector {
    let square = t * t
    var sum = multiply_add(.all(4.991_194_23e-3), .all(-5.967_617_03e-4), square)
    sum = multiply_add(.all(-2.676_813_49e-2), sum, square)
    sum = multiply_add(.all(1.128_199_25e-1), sum, square)
    sum = multiply_add(.all(-3.761_253_36e-1), sum, square)
    sum = multiply_add(.all(1.283_791_66e-1), sum, square)
    return multiply_add(t, sum, t)
}

/// `1 - erf(t)` for t ≥ 0.92, as e to the power of a polynomial.
@inline(__always)
private func complementaryErrorFunction(_ t: FloatVector) -> FloatVector {
    let square = t * t
    let high = multiply_add(.all(3.831_971_26e-4), .all(-1.728_534_7e-5), t)
    let low = multiply_add(.all(2.425_462_19e-2), .all(-3.883_964_38e-3), t)
    var sum = multiply_add(low, high, square)
    sum = multiply_add(.all(-1.067_778_77e-1), sum, t)
    sum = multiply_add(.all(-6.348_466_87e-1), sum, t)
    sum = multiply_add(.all(-1.287_175_12e-1), sum, t)
    return exponential(multiply_add(.all(0) - t, sum, t))
}

extension KernelTable {
    mutating func vectoriseActivationFunctions() {
        siluProduct = { gate, up, count in
            forEachVector(count) { first, lanes in
                let product = sigmoidProduct(.load(gate + first, lanes), factor: 1)
                (product * .load(up + first, lanes)).store(gate + first, lanes)
            }
        }
        quickGELU = { values, count in
            mapInPlace(values, count) { sigmoidProduct($0, factor: 1.702) }
        }
        gelu = { values, count in mapInPlace(values, count) { errorFunctionProduct($0) } }
        geluTanh = { values, count in mapInPlace(values, count) { tanhProduct($0) } }
    }
}
