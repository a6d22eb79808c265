// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import TestSupport

/// The names of all tables that this processor runs, the reference included.
let tableNames = KernelTable.available.map(\.name)

/// Lengths around those of vectors of 4, 8 and 16, of four of them, and longer ones.
let oddLengths = [0, 1, 2, 3, 5, 15, 16, 17, 31, 33, 63, 64, 65, 127, 997]

/// The spacing of single-precision numbers around 1.
let ulp = Double(Float.ulpOfOne)

/// Numbers between two bounds from a seed.
func uniforms(_ count: Int, in range: ClosedRange<Float>, seed: UInt64) -> [Float] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float.random(in: range, using: &random) }
}

/// A bound on the relative error of a sum of `count` positive numbers: a kernel for vectors of 4
/// lanes keeps 16 partial sums.
func sumError(_ count: Int) -> Double { ulp * Double(count / 16 + 8) }

/// The result of `body` on a copy of `values`; `body` must not touch the memory after them.
func changed<Number: Equatable>(
    _ values: [Number], sentinel: Number, _ body: (UnsafeMutablePointer<Number>) -> Void
) -> [Number]? {
    var room = values + [Number](repeating: sentinel, count: 64)
    room.withUnsafeMutableBufferPointer { buffer in
        if let base = buffer.baseAddress { body(base) }
    }
    guard room[values.count...].allSatisfy({ $0 == sentinel }) else { return nil }
    return Array(room[..<values.count])
}

/// The same for floats.
func changed(_ values: [Float], _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float]? {
    changed(values, sentinel: 12_345, body)
}
