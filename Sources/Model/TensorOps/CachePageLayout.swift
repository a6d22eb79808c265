// SPDX-License-Identifier: Apache-2.0
import KernelInterface

/// How the KV cache stores numbers.
public enum CacheFormat: String, CaseIterable, Sendable {
    /// IEEE half precision.
    case f16
    /// Single precision: twice the memory, no rounding.
    case f32
    /// Bytes with a half-precision scale for every 32 numbers: about half the memory.
    case q8_0

    var number: PageNumber {
        switch self {
        case .f16: .half
        case .f32: .float
        case .q8_0: .byte
        }
    }

    /// The number that a head's width must be a multiple of.
    public var widthMultiple: Int { self == .q8_0 ? PageNumber.numbersPerScale : 1 }
}

/// The layout of a page of the KV cache.
///
/// A page holds 16 tokens: layer after layer, first the keys of all heads, then their values.
public struct CachePageLayout: Sendable, Equatable {
    /// How numbers are stored.
    public let format: CacheFormat
    /// Decoder layers.
    public let layerCount: Int
    /// Key and value heads.
    public let heads: Int
    /// Numbers per head.
    public let headWidth: Int

    /// Tokens of a page.
    public static let tokens = HeadPages.tokensPerPage

    /// The pages of a decoder whose heads' width is a multiple of `format.widthMultiple`.
    public init(format: CacheFormat, layerCount: Int, heads: Int, headWidth: Int) {
        precondition(headWidth % format.widthMultiple == 0)
        self.format = format
        self.layerCount = layerCount
        self.heads = heads
        self.headWidth = headWidth
    }

    /// Bytes of one head's keys, or of its values.
    private var headBytes: Int { format.number.byteCount(headWidth) }

    /// Bytes of a page.
    public var byteCount: Int { 2 * layerCount * heads * headBytes }

    /// Where a head's keys start.
    func keys(layer: Int, head: Int) -> Int { (2 * layer * heads + head) * headBytes }
    /// Where a head's values start.
    func values(layer: Int, head: Int) -> Int { ((2 * layer + 1) * heads + head) * headBytes }

    /// Pages for some tokens.
    public static func pageCount(_ tokens: Int) -> Int { (tokens + Self.tokens - 1) / Self.tokens }
}

/// Rows of a batch that continue a sequence, and the pages that hold the sequence.
public struct CachedSequence: @unchecked Sendable {
    /// The batch's rows.
    public let rows: Range<Int>
    /// Tokens of the sequence before them.
    public let firstToken: Int
    /// Where its pages start, with room for the new rows.
    public let pages: UnsafePointer<UnsafeMutableRawPointer>

    /// Rows that follow `firstToken` tokens.
    public init(
        rows: Range<Int>, firstToken: Int, pages: UnsafePointer<UnsafeMutableRawPointer>
    ) {
        self.rows = rows
        self.firstToken = firstToken
        self.pages = pages
    }
}

extension TensorOps {
    /// Stores the keys and values of new rows in their sequences' pages.
    public func store(
        keys: Activations, values: Activations, of sequences: [CachedSequence], layer: Int,
        _ layout: CachePageLayout
    ) {
        let pageCount = sequences.reduce(0) { $0 + $1.touchedPageCount }
        pool.forEach(pageCount) { index, _ in
            var (sequence, page) = (0, index)
            while page >= sequences[sequence].touchedPageCount {
                page -= sequences[sequence].touchedPageCount
                sequence += 1
            }
            sequences[sequence].store(keys, values, page, layer, layout, kernels.attention)
        }
    }
}

extension CachedSequence {
    /// The pages that new rows go to.
    fileprivate var touchedPageCount: Int {
        guard !rows.isEmpty else { return 0 }
        let last = (firstToken + rows.count - 1) / CachePageLayout.tokens
        return last - firstToken / CachePageLayout.tokens + 1
    }

    /// Stores the new rows of one page.
    fileprivate func store(
        _ keys: Activations, _ values: Activations, _ index: Int, _ layer: Int,
        _ layout: CachePageLayout, _ kernels: AttentionKernels
    ) {
        let page = firstToken / CachePageLayout.tokens + index
        let start = max(firstToken, page * CachePageLayout.tokens)
        let end = min(firstToken + rows.count, (page + 1) * CachePageLayout.tokens)
        let row = rows.lowerBound + start - firstToken
        for head in 0..<layout.heads {
            func part(_ activations: Activations) -> PageRows {
                PageRows(
                    start: activations.row(row) + head * layout.headWidth,
                    stride: activations.width, tokens: end - start, width: layout.headWidth,
                    slot: start % CachePageLayout.tokens)
            }
            let number = layout.format.number
            kernels.storeKeys(
                part(keys), pages[page] + layout.keys(layer: layer, head: head), number)
            kernels.storeValues(
                part(values), pages[page] + layout.values(layer: layer, head: head), number)
        }
    }
}
