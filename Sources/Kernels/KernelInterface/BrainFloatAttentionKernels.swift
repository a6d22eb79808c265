// SPDX-License-Identifier: Apache-2.0

/// What attention on bf16 numbers needs besides `FloatPanelKernels.brainFloatProduct`, whose operands these
/// kernels write.
///
/// Numbers are rounded to the nearest, ties to even. Subnormal ones may become zero, as they count in products.
public struct BrainFloatAttentionKernels: Sendable {
    /// Rounds `rows` rows of `width` floats, `stride` numbers apart, to panels of kind `.bf16`.
    public typealias Packing =
        @Sendable (
            _ source: UnsafePointer<Float>, _ stride: Int, _ rows: Int, _ width: Int,
            _ panels: UnsafeMutablePointer<UInt32>
        ) -> Void
    /// Rounds the softmax of `count` scores, which are overwritten.
    public typealias Softmax =
        @Sendable (
            _ scores: UnsafeMutablePointer<Float>, _ out: UnsafeMutablePointer<UInt16>,
            _ count: Int
        ) -> Void

    /// Makes rows the columns of panels, `[⌈rows / 32⌉, width / 2, 32]` pairs of neighbours in a row.
    ///
    /// The width is even. Columns after the last row are zeros.
    public let packColumns: Packing
    /// Keeps columns as the columns of panels, `[⌈width / 32⌉, ⌈rows / 2⌉, 32]` pairs of neighbours in a column.
    ///
    /// A missing row and columns after the last are zeros.
    public let packRows: Packing
    /// The weights of one query.
    public let softmax: Softmax

    /// Kernels of one instruction set.
    public init(
        packColumns: @escaping Packing, packRows: @escaping Packing, softmax: @escaping Softmax
    ) {
        self.packColumns = packColumns
        self.packRows = packRows
        self.softmax = softmax
    }
}
