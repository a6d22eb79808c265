// SPDX-License-Identifier: Apache-2.0

/// How activations are rounded to bytes.
public enum ActivationScaling: Int, CaseIterable, Sendable {
    /// Each block of 32 has a scale of its own, as in llama.cpp; it is stored as a factor of the row's.
    case perBlock
    /// The scale of each block of 32 is the row's scale divided by a power of two. The row's scale
    /// is 1, 2^¼, 2^½ or 2^¾ times what its largest number needs, whichever suits the blocks best.
    ///
    /// Stored is 1.5 · 2²³ over that power. Adding an integer to the bits of such a float adds the integer
    /// over the power to its value: a sum of products that starts there is a float, in units of the row's scale.
    case powerOfTwo

    /// The integer that stands for a block's sum of zero, given the block's stored scale.
    @inlinable
    @inline(__always)
    public func zero(_ scale: Float) -> Int32 {
        self == .powerOfTwo ? Int32(bitPattern: scale.bitPattern) : 0
    }
}

/// The kernels that multiply rows of activations by panels of quantised weights.
public struct PanelKernels: Sendable {
    /// Rounds `rows` rows, `stride` numbers apart, to a tile that `product` reads.
    ///
    /// A non-finite row gets NaN as its scale, so that its products are NaN. A row whose numbers
    /// are all below 2⁻¹⁰⁰ counts as zero.
    public typealias Quantise =
        @Sendable (
            _ source: UnsafePointer<Float>, _ stride: Int, _ rows: Int, _ width: Int,
            _ tile: UnsafeMutableRawPointer
        ) -> Void
    /// The products of a tile with `count` consecutive panels: `[rows, 32 · count]`, rows
    /// `outStride` numbers apart.
    ///
    /// One row with many panels reads memory as one stream.
    public typealias Product =
        @Sendable (
            _ rows: Int, _ panels: UnsafeRawPointer, _ count: Int, _ superblocks: Int,
            _ tile: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, _ outStride: Int
        ) -> Void

    /// Unpacks panels to larger ones with the same products, which are faster for many rows.
    public struct Expansion: Sendable {
        /// Bytes of an unpacked superblock.
        public let superblockBytes: Int
        /// Whether it pays only where `PanelKernels.unpackingDelaysProducts`.
        public let isForFewUnits: Bool
        /// Unpacks a panel to memory that is aligned to cache lines.
        public let expand:
            @Sendable (
                _ panel: UnsafeRawPointer, _ superblocks: Int, _ target: UnsafeMutableRawPointer
            ) -> Void
        /// Multiplies a tile by unpacked panels.
        public let product: Product

        /// A way to unpack.
        public init(
            superblockBytes: Int, isForFewUnits: Bool,
            expand:
                @escaping @Sendable (
                    UnsafeRawPointer, Int, UnsafeMutableRawPointer
                ) -> Void,
            product: @escaping Product
        ) {
            self.superblockBytes = superblockBytes
            self.isForFewUnits = isForFewUnits
            self.expand = expand
            self.product = product
        }
    }

    /// The fewest tiles for which unpacking pays: it costs what two tiles save.
    private static let fewestTilesToExpand = 4

    /// The most rows of a tile.
    public let rowsPerTile: Int
    /// Whether the processor's units that multiply are also those that unpack weights.
    ///
    /// Intel's have two units for all instructions on 512 bits, AMD's have two that multiply and two that do not.
    public var unpackingDelaysProducts = false
    private let quantisers: [StoredQuantise]
    private let products: [StoredProduct]
    private let expansions: [Expansion?]

    // Swift wraps a function anew each time it is read from an array of functions, but not from an
    // array of structs.
    private struct StoredQuantise {
        let quantise: Quantise
    }
    private struct StoredProduct {
        let product: Product
    }

    /// Kernels for each case of `ActivationScaling`, and of `PanelKind.quantised` in each of them, in order.
    ///
    /// - Parameter expansions: in the order of the products; empty for none.
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

    /// How to unpack panels for that many tiles, or nil if it does not pay.
    public func expansion(_ kind: PanelKind, _ scaling: ActivationScaling, tiles: Int) -> Expansion?
    {
        guard tiles >= Self.fewestTilesToExpand,
            let expansion = expansions[
                scaling.rawValue * PanelKind.quantised.count + kind.rawValue],
            unpackingDelaysProducts || !expansion.isForFewUnits
        else { return nil }
        return expansion
    }
}
