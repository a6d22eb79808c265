// SPDX-License-Identifier: Apache-2.0

/// The arithmetic of one instruction set: every inner loop of the model as a function on raw memory.
///
/// All functions work on one thread, on rows of Float; `TensorOps` spreads rows over the cores. The
/// table of an instruction set starts as a copy of the reference and replaces the kernels that it
/// has faster ones for.
public struct KernelTable: Sendable {
    /// A function that changes `count` numbers in place.
    public typealias InPlace =
        @Sendable (_ values: UnsafeMutablePointer<Float>, _ count: Int) -> Void

    /// What `TRIMLLAVA_KERNELS` calls the table.
    public var name: String

    /// `out = x / √(mean(x²) + ε) · weight` over one row (arXiv 1910.07467).
    public var rmsNorm:
        @Sendable (
            _ row: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ epsilon: Float,
            _ out: UnsafeMutablePointer<Float>, _ width: Int
        ) -> Void
    /// `out = (x − mean) / √(variance + ε) · weight + bias` over one row (arXiv 1607.06450).
    public var layerNorm:
        @Sendable (
            _ row: UnsafePointer<Float>, _ weight: UnsafePointer<Float>,
            _ bias: UnsafePointer<Float>, _ epsilon: Float,
            _ out: UnsafeMutablePointer<Float>, _ width: Int
        ) -> Void
    /// `x = exp(x − max) / Σ exp(x − max)` in place.
    public var softmax: InPlace
    /// `gate = silu(gate) · up`, with `silu(x) = x · sigmoid(x)`, in place (arXiv 2002.05202).
    public var siluProduct:
        @Sendable (
            _ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, _ count: Int
        ) -> Void
    /// `x = x · sigmoid(1.702 x)` in place: the activation of OpenAI's CLIP.
    public var quickGELU: InPlace
    /// `x = x/2 · (1 + erf(x/√2))` in place (arXiv 1606.08415).
    public var gelu: InPlace
    /// `x = x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))` in place: the activation of SigLIP.
    public var geluTanh: InPlace
    /// Turns the pairs `(x₂ᵢ, x₂ᵢ₊₁)` of one head by the angles whose cosines and sines are given.
    public var rotateAdjacentPairs: Rotation
    /// Turns the pairs `(xᵢ, xᵢ₊ₕ)`, h half the rotated width, of one head by the given angles.
    public var rotateHalves: Rotation
    /// `sum += addend` in place.
    public var add: Addition
    /// Rounds to IEEE half precision, ties to even.
    public var halvesFromFloats:
        @Sendable (
            _ source: UnsafePointer<Float>, _ out: UnsafeMutablePointer<UInt16>, _ count: Int
        ) -> Void
    /// Widens from IEEE half precision, exactly.
    public var floatsFromHalves:
        @Sendable (
            _ source: UnsafePointer<UInt16>, _ out: UnsafeMutablePointer<Float>, _ count: Int
        ) -> Void

    /// A function that adds `count` numbers to others.
    public typealias Addition =
        @Sendable (
            _ sum: UnsafeMutablePointer<Float>, _ addend: UnsafePointer<Float>, _ count: Int
        ) -> Void

    /// A rotary embedding of one head (arXiv 2104.09864); `cosines` and `sines` hold `pairs` numbers.
    public typealias Rotation =
        @Sendable (
            _ head: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>,
            _ sines: UnsafePointer<Float>, _ pairs: Int
        ) -> Void

    /// How queries attend to keys and values.
    public var attention: AttentionKernels

    /// How products of quantised activations with weight panels are computed.
    public var panels: PanelKernels

    /// How products with panels of floats are computed.
    public var floatPanels: FloatPanelKernels

    /// A table with every kernel given.
    public init(
        name: String,
        rmsNorm:
            @escaping @Sendable (
                UnsafePointer<Float>, UnsafePointer<Float>, Float, UnsafeMutablePointer<Float>, Int
            ) -> Void,
        layerNorm:
            @escaping @Sendable (
                UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>, Float,
                UnsafeMutablePointer<Float>, Int
            ) -> Void,
        softmax: @escaping InPlace,
        siluProduct:
            @escaping @Sendable (
                UnsafeMutablePointer<Float>, UnsafePointer<Float>, Int
            ) -> Void,
        quickGELU: @escaping InPlace, gelu: @escaping InPlace, geluTanh: @escaping InPlace,
        rotateAdjacentPairs: @escaping Rotation, rotateHalves: @escaping Rotation,
        add: @escaping Addition,
        halvesFromFloats:
            @escaping @Sendable (
                UnsafePointer<Float>, UnsafeMutablePointer<UInt16>, Int
            ) -> Void,
        floatsFromHalves:
            @escaping @Sendable (
                UnsafePointer<UInt16>, UnsafeMutablePointer<Float>, Int
            ) -> Void,
        attention: AttentionKernels, panels: PanelKernels, floatPanels: FloatPanelKernels
    ) {
        self.name = name
        self.rmsNorm = rmsNorm
        self.layerNorm = layerNorm
        self.softmax = softmax
        self.siluProduct = siluProduct
        self.quickGELU = quickGELU
        self.gelu = gelu
        self.geluTanh = geluTanh
        self.rotateAdjacentPairs = rotateAdjacentPairs
        self.rotateHalves = rotateHalves
        self.add = add
        self.halvesFromFloats = halvesFromFloats
        self.floatsFromHalves = floatsFromHalves
        self.attention = attention
        self.panels = panels
        self.floatPanels = floatPanels
    }
}
