// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Rotary position embedding (arXiv 2104.09864).
public struct RotaryEmbedding: Sendable {
    /// Which numbers of a head form a pair.
    public enum Pairing: Sendable {
        /// `(x₂ᵢ, x₂ᵢ₊₁)`: architecture `llama`, whose query and key rows the converter permutes.
        case adjacent
        /// `(xᵢ, xᵢ₊ₕ)`, h half the rotated width: all others.
        case halves
    }

    /// Which numbers form a pair.
    public let pairing: Pairing
    /// Radians per position of each pair.
    public let frequencies: [Float]  // [rotatedWidth / 2]
    /// Factor on cosines and sines (longrope's attention factor).
    public let magnitude: Float

    /// The angles `position · base^(−2i/rotatedWidth) / divisor`.
    ///
    /// - Parameter divisors: one per pair (Llama 3's and longrope's factors), or one for all.
    public init(
        pairing: Pairing, rotatedWidth: Int, base: Float, divisors: [Float] = [1],
        magnitude: Float = 1
    ) {
        precondition(divisors.count == 1 || divisors.count == rotatedWidth / 2)
        self.pairing = pairing
        self.magnitude = magnitude
        frequencies = (0..<(rotatedWidth / 2)).map { pair in
            let exponent = Double(2 * pair) / Double(rotatedWidth)
            return Float(1 / pow(Double(base), exponent))
                / divisors[divisors.count == 1 ? 0 : pair]
        }
    }

    /// The cosines and sines of some positions: one row each, `frequencies.count` numbers wide.
    ///
    /// The angle is rounded to 32 bits before its cosine is taken, as the models were trained.
    public func angles(at positions: [Int32]) -> (cosines: Activations, sines: Activations) {
        let cosines = Activations(rows: positions.count, width: frequencies.count)
        let sines = Activations(rows: positions.count, width: frequencies.count)
        for (row, position) in positions.enumerated() {
            for (pair, frequency) in frequencies.enumerated() {
                let angle = Double(Float(position) * frequency)
                cosines.row(row)[pair] = Float(cos(angle)) * magnitude
                sines.row(row)[pair] = Float(sin(angle)) * magnitude
            }
        }
        return (cosines, sines)
    }
}

extension TensorOps {
    /// Rotates every head of every row by its position's angles.
    public func rotate(
        _ heads: Activations, headWidth: Int, _ pairing: RotaryEmbedding.Pairing,
        cosines: Activations, sines: Activations
    ) {
        precondition(heads.width % headWidth == 0 && cosines.rows == heads.rows)
        precondition(2 * cosines.width <= headWidth)
        let kernel = pairing == .adjacent ? kernels.rotateAdjacentPairs : kernels.rotateHalves
        forEachRow(of: heads) { row, index in
            for head in stride(from: 0, to: heads.width, by: headWidth) {
                kernel(row + head, cosines.row(index), sines.row(index), cosines.width)
            }
        }
    }
}
