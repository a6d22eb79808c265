// SPDX-License-Identifier: Apache-2.0
import KernelInterface

/// The weights of a layer normalisation.
public struct LayerNorm: Sendable {
    /// Factors.
    public let weight: [Float]  // [width]
    /// Addends.
    public let bias: [Float]  // [width]

    /// A normalisation with as many factors as addends.
    public init(weight: [Float], bias: [Float]) {
        precondition(weight.count == bias.count)
        self.weight = weight
        self.bias = bias
    }
}

/// The activation function between the two layers of a feed-forward block.
public enum FeedForwardActivation: Sendable {
    /// `x · sigmoid(1.702 x)`.
    case quickGELU
    /// `x/2 · (1 + erf(x/√2))`.
    case gelu
    /// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`.
    case geluTanh
}

extension TensorOps {
    /// Root-mean-square normalisation of every row.
    public func rmsNorm(_ input: Activations, weight: [Float], epsilon: Float) -> Activations {
        let result = activations(rows: input.rows, width: input.width)
        rmsNorm(input, weight: weight, epsilon: epsilon, into: result)
        return result
    }

    /// Root-mean-square normalisation of every row.
    public func rmsNorm(
        _ input: Activations, weight: [Float], epsilon: Float, into result: Activations
    ) {
        precondition(input.width == weight.count && result.width == input.width)
        precondition(result.rows == input.rows)
        forEachRow(of: input) { row, index in
            kernels.rmsNorm(row, weight, epsilon, result.row(index), input.width)
        }
    }

    /// Layer normalisation of every row.
    public func layerNorm(_ input: Activations, _ norm: LayerNorm, epsilon: Float) -> Activations {
        precondition(input.width == norm.weight.count)
        let result = activations(rows: input.rows, width: input.width)
        forEachRow(of: input) { row, index in
            kernels.layerNorm(
                row, norm.weight, norm.bias, epsilon, result.row(index), input.width)
        }
        return result
    }

    /// `gate = silu(gate) · up`.
    public func multiplySiLU(_ gate: Activations, by up: Activations) {
        precondition(gate.rows == up.rows && gate.width == up.width)
        forEachRow(of: gate) { row, index in kernels.siluProduct(row, up.row(index), gate.width) }
    }

    /// Adds some columns of `addends` to rows of another matrix.
    ///
    /// - Parameters:
    ///   - columns: as many as `target` has.
    ///   - rows: the target's row, another for each of the first rows of `addends`.
    public func add(
        _ addends: Activations, columns: Range<Int>, to target: Activations, rows: [Int]
    ) {
        precondition(columns.count == target.width && columns.upperBound <= addends.width)
        precondition(rows.count <= addends.rows)
        forEachRow(count: rows.count) { index in
            kernels.add(
                target.row(rows[index]), addends.row(index) + columns.lowerBound, columns.count)
        }
    }

    /// Applies an activation function in place.
    public func apply(_ function: FeedForwardActivation, to activations: Activations) {
        let kernel = kernel(of: function)
        forEachRow(of: activations) { row, _ in kernel(row, activations.width) }
    }

    /// The function on some numbers.
    func kernel(of function: FeedForwardActivation) -> KernelTable.InPlace {
        switch function {
        case .quickGELU: kernels.quickGELU
        case .gelu: kernels.gelu
        case .geluTanh: kernels.geluTanh
        }
    }
}
