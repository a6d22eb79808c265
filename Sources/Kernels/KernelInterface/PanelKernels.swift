// SPDX-License-Identifier: Apache-2.0

/// How activations are rounded to bytes.
public enum ActivationScaling: Int, CaseIterable, Sendable {
    /// Each block of 32 has a scale of its own, as in llama.cpp.
    case perBlock
    /// The scale of each block of 32 is its row's over a power of two. The row's is between what its
    /// largest number needs and 2^¾ times that: the multiple of 2^¼ that suits the blocks best.
    case powerOfTwo
}

/// The kernels that multiply rows of activations by panels of quantised weights.
public struct PanelKernels: Sendable {
    /// Rounds `rows` rows, `stride` numbers apart, to a tile that `product` reads.
    ///
    /// A row with an infinity or a NaN gets a NaN for a scale, so that its products are NaN. A row whose
    /// numbers are all below 2⁻¹⁰⁰ counts as zero.
    public typealias Quantise =
        @Sendable (
            _ source: UnsafePointer<Float>, _ stride: Int, _ rows: Int, _ width: Int,
            _ tile: UnsafeMutableRawPointer
        ) -> Void
    /// The products of a tile with `count` panels that lie one after the other: `[rows, 32 · count]`, rows
    /// `outStride` numbers apart.
    ///
    /// One row with many panels reads memory as one stream.
    public typealias Product =
        @Sendable (
            _ rows: Int, _ panels: UnsafeRawPointer, _ count: Int, _ superblocks: Int,
            _ tile: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, _ outStride: Int
        ) -> Void

    /// Unpacks panels to larger ones, which many rows are multiplied by faster, with the same results.
    public struct Expansion: Sendable {
        /// Bytes of an unpacked superblock.
        public let superblockBytes: Int
        /// Unpacks a panel to memory that is aligned to cache lines.
        public let expand:
            @Sendable (
                _ panel: UnsafeRawPointer, _ superblocks: Int, _ target: UnsafeMutableRawPointer
            ) -> Void
        /// Multiplies a tile by unpacked panels.
        public let product: Product

        /// A way to unpack.
        public init(
            superblockBytes: Int,
            expand:
                @escaping @Sendable (
                    UnsafeRawPointer, Int, UnsafeMutableRawPointer
                ) -> Void,
            product: @escaping Product
        ) {
            self.superblockBytes = superblockBytes
            self.expand = expand
            self.product = product
        }
    }

    /// Tiles that pay for unpacking: it takes as long as two of them save.
    private static let fewestTilesToExpand = 4

    /// The most rows of a tile.
    public let rowsPerTile: Int
    private let quantisers: [StoredQuantise]
    private let products: [StoredProduct]
    private let expansions: [Expansion?]

    // A function that is an array's element itself would be wrapped anew each time it is taken out.
    private struct StoredQuantise {
        let quantise: Quantise
    }
    private struct StoredProduct {
        let product: Product
    }

    /// Kernels for each case of `ActivationScaling`, and of `PanelKind.quantised` in each of them, in order.
    ///
    /// - Parameter expansions: in the order of the products; none where it is empty.
    public init(
        rowsPerTile: Int, quantisers: [Quantise], products: [Product],
        expansions: [Expansion?] = []
    ) {
        precondition(quantisers.count == ActivationScaling.allCases.count)
        precondition(products.count == quantisers.count * PanelKind.quantised.count)
        self.rowsPerTile = rowsPerTile
        self.quantisers = quantisers.map(StoredQuantise.init)
        self.products = products.map(StoredProduct.init)
        self.expansions =
            expansions.isEmpty ? Array(repeating: nil, count: products.count) : expansions
    }

    /// The kernel that rounds activations.
    public func quantise(_ scaling: ActivationScaling) -> Quantise {
        quantisers[scaling.rawValue].quantise
    }

    /// The kernel that multiplies.
    public func product(_ kind: PanelKind, _ scaling: ActivationScaling) -> Product {
        precondition(!kind.isFloat, "\(kind) panels are not quantised")
        return products[scaling.rawValue * PanelKind.quantised.count + kind.rawValue].product
    }

    /// The way to unpack panels for some tiles; nil where that does not pay.
    public func expansion(_ kind: PanelKind, _ scaling: ActivationScaling, tiles: Int) -> Expansion?
    {
        guard tiles >= Self.fewestTilesToExpand else { return nil }
        return expansions[scaling.rawValue * PanelKind.quantised.count + kind.rawValue]
    }
}
