// SPDX-License-Identifier: Apache-2.0

/// The kernels that multiply rows of activations by panels of floats.
public struct FloatPanelKernels: Sendable {
    /// The products of rows of floats with one panel: `[rows, 32]`, rows `outStride` numbers apart.
    ///
    /// - `rows`: 1 to `rowsPerTile`, each of `inputs` numbers and `stride` numbers apart.
    public typealias Product =
        @Sendable (
            _ rows: Int, _ values: UnsafePointer<Float>, _ stride: Int,
            _ panel: UnsafeRawPointer, _ inputs: Int, _ out: UnsafeMutablePointer<Float>,
            _ outStride: Int
        ) -> Void
    /// The same for rows of an even number of bf16 numbers and a panel of bf16 numbers.
    ///
    /// Processors' bf16 dot products treat subnormal numbers as zero.
    public typealias BrainFloatProduct =
        @Sendable (
            _ rows: Int, _ values: UnsafePointer<UInt16>, _ stride: Int,
            _ panel: UnsafeRawPointer, _ inputs: Int, _ out: UnsafeMutablePointer<Float>,
            _ outStride: Int
        ) -> Void
    /// Rounds `count` numbers to bf16, ties to even.
    public typealias BrainFloatRounding =
        @Sendable (
            _ source: UnsafePointer<Float>, _ out: UnsafeMutablePointer<UInt16>, _ count: Int
        ) -> Void

    /// The most rows of a tile.
    ///
    /// On two vectors of columns they need twelve sums, which fit the registers of any instruction
    /// set.
    public static let rowsPerTile = 6

    private let f32: Product
    private let f16: Product
    private let bf16: Product
    /// Multiplies by panels of kind `.bf16`.
    public var brainFloatProduct: BrainFloatProduct
    /// Whether `brainFloatProduct` is faster than `product`.
    public var hasBrainFloatDot = false
    /// Rounds activations for `brainFloatProduct`.
    public let brainFloatsFromFloats: BrainFloatRounding
    /// Prepares `brainFloatProduct`'s operands in attention.
    public var brainFloatAttention: BrainFloatAttentionKernels

    /// Kernels for each kind of panel.
    public init(
        f32: @escaping Product, f16: @escaping Product, bf16: @escaping Product,
        brainFloatProduct: @escaping BrainFloatProduct,
        brainFloatsFromFloats: @escaping BrainFloatRounding,
        brainFloatAttention: BrainFloatAttentionKernels
    ) {
        self.f32 = f32
        self.f16 = f16
        self.bf16 = bf16
        self.brainFloatProduct = brainFloatProduct
        self.brainFloatsFromFloats = brainFloatsFromFloats
        self.brainFloatAttention = brainFloatAttention
    }

    /// The kernel that multiplies by panels of a kind of floats.
    public func product(_ kind: PanelKind) -> Product {
        switch kind {
        case .f32: return f32
        case .f16: return f16
        default:
            precondition(kind == .bf16, "\(kind) panels hold no floats")
            return bf16
        }
    }
}
