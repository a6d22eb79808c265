// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Rotary position embedding (arXiv 2104.09864), also by the axes of a grid (M-RoPE, arXiv 2409.12191).
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
    /// The axis of a position that rotates each pair.
    public let axes: [Position.Axis]  // [rotatedWidth / 2]
    /// Factor on cosines and sines (longrope's attention factor).
    public let magnitude: Float

    /// The angles `position · base^(−2i/rotatedWidth) / divisor`.
    ///
    /// - Parameters:
    ///   - divisors: one for each pair (Llama 3's and longrope's factors); nil where all are 1.
    ///   - axes: one for each pair; nil where time turns all of them.
    public init(
        pairing: Pairing, rotatedWidth: Int, base: Float, divisors: [Float]? = nil,
        magnitude: Float = 1, axes: [Position.Axis]? = nil
    ) {
        let pairs = rotatedWidth / 2
        precondition(divisors.map { $0.count == pairs } ?? true)
        precondition(axes.map { $0.count == pairs } ?? true)
        self.pairing = pairing
        self.axes = axes ?? Array(repeating: .time, count: pairs)
        self.magnitude = magnitude
        frequencies = (0..<pairs).map { pair in
            let exponent = Double(2 * pair) / Double(rotatedWidth)
            return Float(1 / pow(Double(base), exponent)) / (divisors?[pair] ?? 1)
        }
    }

    /// The angles of a vision tower's patches: half of a head is turned by the row, the other by the column, each with
    /// the angles `place · base^(−4i/headWidth)`.
    public init(gridOfHeadWidth headWidth: Int, base: Float) {
        precondition(headWidth % 4 == 0)
        let count = headWidth / 4
        let ofAxis = (0..<count).map {
            Float(1 / pow(Double(base), Double(4 * $0) / Double(headWidth)))
        }
        (pairing, magnitude, frequencies) = (.halves, 1, ofAxis + ofAxis)
        axes =
            Array(repeating: .row, count: count) + Array(repeating: .column, count: count)
    }

    /// The cosines and sines of some positions.
    public struct Angles {
        /// One row for each position, a number for each frequency.
        public let cosines: Activations  // [positions, pairs]
        /// As wide as the cosines.
        public let sines: Activations  // [positions, pairs]

        /// Room for the angles of `rotary`.
        public init(_ rotary: RotaryEmbedding) {
            cosines = Activations(rows: 0, width: rotary.frequencies.count)
            sines = Activations(rows: 0, width: rotary.frequencies.count)
        }
    }

    /// The cosines and sines of some positions.
    public func angles(at positions: [Position]) -> Angles {
        let angles = Angles(self)
        compute(angles, at: positions)
        return angles
    }

    /// Computes the cosines and sines of some positions.
    ///
    /// The angle is rounded to 32 bits before its cosine is taken, as the models were trained.
    public func compute(_ angles: Angles, at positions: [Position]) {
        angles.cosines.resize(rows: positions.count)
        angles.sines.resize(rows: positions.count)
        for (row, position) in positions.enumerated() {
            for (pair, frequency) in frequencies.enumerated() {
                let angle = Double(Float(position[axes[pair]]) * frequency)
                angles.cosines.row(row)[pair] = Float(cos(angle)) * magnitude
                angles.sines.row(row)[pair] = Float(sin(angle)) * magnitude
            }
        }
    }
}

/// A root-mean-square normalisation of heads, which all share its weights.
public struct HeadNorm: Sendable {
    /// Factors.
    public let weight: [Float]  // [headWidth]
    /// ε beside the mean of the squares.
    public let epsilon: Float

    /// A normalisation of heads as wide as the factors.
    public init(weight: [Float], epsilon: Float) {
        (self.weight, self.epsilon) = (weight, epsilon)
    }
}

extension TensorOps {
    /// Rotates every head of every row by its position's angles.
    ///
    /// - Parameter norm: normalises each head first.
    public func rotate(
        _ heads: Activations, headWidth: Int, _ pairing: RotaryEmbedding.Pairing,
        _ angles: RotaryEmbedding.Angles, after norm: HeadNorm? = nil
    ) {
        let (cosines, sines) = (angles.cosines, angles.sines)
        precondition(heads.width % headWidth == 0 && cosines.rows == heads.rows)
        precondition(2 * cosines.width <= headWidth)
        precondition(norm.map { $0.weight.count == headWidth } ?? true)
        let kernel = pairing == .adjacent ? kernels.rotateAdjacentPairs : kernels.rotateHalves
        forEachRow(of: heads) { row, index in
            for head in stride(from: 0, to: heads.width, by: headWidth) {
                if let norm {
                    // It reads the whole head before it writes.
                    kernels.rmsNorm(row + head, norm.weight, norm.epsilon, row + head, headWidth)
                }
                kernel(row + head, cosines.row(index), sines.row(index), cosines.width)
            }
        }
    }
}
