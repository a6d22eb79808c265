// SPDX-License-Identifier: Apache-2.0

/// How far apart two cosines or distances must be to count as different.
///
/// A sum of thousands of products in f32 is accurate to about 1e-7, and its last bits depend on the
/// row's place in a matrix product. Ten times that makes equal tokens tie in any place.
let cosineTolerance: Float = 1e-6

extension [Float] {
    /// The lowest index whose number is the largest up to `tolerance`.
    func indexOfLargest(tolerance: Float) -> Int {
        precondition(!isEmpty)
        let threshold = withUnsafeBufferPointer { values in
            var (lanes, rest) = (SIMD16<Float>(repeating: -.infinity), -Float.infinity)
            let vectorEnd = count / 16 * 16
            let raw = UnsafeRawBufferPointer(values)
            for index in stride(from: 0, to: vectorEnd, by: 16) {
                let next = raw.loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
                lanes.replace(with: next, where: next .> lanes)
            }
            for index in vectorEnd..<count { rest = Swift.max(rest, values[index]) }
            return Swift.max(lanes.max(), rest) - tolerance
        }
        return firstIndex { $0 >= threshold } ?? 0
    }

    /// The indices of the `count` largest numbers, lowest index first among equals.
    func indicesOfLargest(_ count: Int) -> [Int] {
        let order = indices.sorted { (self[$1], $0) < (self[$0], $1) }
        return [Int](order.prefix(count))
    }

    /// The numbers scaled to 0…1; all 1 where they are equal up to `cosineTolerance`.
    func scaledToUnitRange() -> [Float] {
        guard let least = self.min(), let largest = self.max(), largest - least > cosineTolerance
        else { return [Float](repeating: 1, count: count) }
        return map { ($0 - least) / (largest - least) }
    }
}
