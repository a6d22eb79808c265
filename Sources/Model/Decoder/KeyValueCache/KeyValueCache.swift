// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

/// The keys and values of one sequence in every decoder layer.
///
/// A cache belongs to one thread at a time.
public final class KeyValueCache {
    /// The source of its pages.
    public let pool: CachePagePool
    /// Rows that fit.
    public private(set) var capacity: Int
    /// Rows that hold a token of the sequence.
    public private(set) var rowCount = 0
    /// Pages that hold its rows, including pages that it shares.
    public var pageCount: Int { pages.count }

    private var pages: [Int] = []
    /// Pages that it may still take.
    private var committed: Int
    /// Full pages at its start that it shares and does not own.
    private let sharedPages: Int
    /// Where its pages start.
    private let starts: UnsafeMutablePointer<UnsafeMutableRawPointer>

    /// An empty sequence of up to `rows` rows, for which the pool keeps pages.
    ///
    /// - Throws: `ModelError.outOfCachePages` when there are too few pages, `ModelError.noMemory` when the control group has
    ///   no memory for them; then it takes none.
    public convenience init(_ pool: CachePagePool, rows: Int) throws(ModelError) {
        try self.init(pool, rows: rows, continuing: [])
    }

    /// A sequence that starts with the first `count` rows of `prefix`, and has up to `rows` rows in all.
    ///
    /// Full pages of these rows are shared, and a partly filled one is copied. `prefix` may grow or
    /// end, but must not be truncated.
    ///
    /// - Parameter count: nil for all rows that `prefix` has.
    /// - Throws: `ModelError.outOfCachePages` when there are too few pages, `ModelError.noMemory` when the control group has
    ///   no memory for them; then it takes none.
    public convenience init(
        continuing prefix: KeyValueCache, first count: Int? = nil, rows: Int
    ) throws(ModelError) {
        let count = count ?? prefix.rowCount
        precondition(count <= prefix.rowCount)
        let full = count / CachePageLayout.tokens
        try self.init(
            prefix.pool, rows: max(rows, count), continuing: prefix.pages.prefix(full))
        rowCount = full * CachePageLayout.tokens
        if count > rowCount {
            reserve(rows: count - rowCount)
            starts[full].copyMemory(from: prefix.starts[full], byteCount: pool.layout.byteCount)
            rowCount = count
            pool.recordWriting()
        }
    }

    /// A sequence of `rows` rows with the given `contents`, from a pool of the same layout.
    ///
    /// - Throws: `ModelError.outOfCachePages` when there are too few pages, `ModelError.noMemory` when the control group has
    ///   no memory for them; then it takes none.
    public convenience init(
        _ pool: CachePagePool, rows: Int, contents: [UnsafeRawBufferPointer]
    ) throws(ModelError) {
        try self.init(pool, rows: rows, continuing: [])
        reserve(rows: rows)
        for page in pages.indices {
            precondition(contents[page].count == pool.layout.byteCount)
            UnsafeMutableRawBufferPointer(start: starts[page], count: pool.layout.byteCount)
                .copyMemory(from: contents[page])
        }
        rowCount = rows
        pool.recordWriting()
    }

    /// The bytes of each of its pages, as long as it lives and does not grow.
    public var contents: [UnsafeRawBufferPointer] {
        pages.map { UnsafeRawBufferPointer(start: pool.start($0), count: pool.layout.byteCount) }
    }

    private init(
        _ pool: CachePagePool, rows: Int, continuing shared: ArraySlice<Int>
    ) throws(ModelError) {
        let needed = CachePageLayout.pageCount(rows)
        committed = needed - shared.count
        try pool.commit(committed, rows: rows)
        self.pool = pool
        capacity = rows
        sharedPages = shared.count
        starts = .allocate(capacity: max(1, needed))
        pages.reserveCapacity(needed)
        for page in shared {
            pool.share(page)
            append(page)
        }
    }

    deinit {
        for page in pages { pool.release(page) }
        pool.giveUp(committed)
        starts.deallocate()
    }

    private func append(_ page: Int) {
        (starts + pages.count).initialize(to: pool.start(page))
        pages.append(page)
    }

    /// Takes pages for more rows.
    func reserve(rows: Int) {
        precondition(rowCount + rows <= capacity, "\(rowCount + rows) rows in \(capacity)")
        while pages.count < CachePageLayout.pageCount(rowCount + rows) {
            append(pool.take())
            committed -= 1
        }
    }

    /// The batch's rows that continue the sequence.
    func sequence(rows: Range<Int>) -> CachedSequence {
        CachedSequence(rows: rows, firstToken: rowCount, pages: starts)
    }

    /// Records that all layers have written these rows.
    func commit(rows: Int) {
        precondition(rowCount + rows <= pages.count * CachePageLayout.tokens)
        rowCount += rows
        pool.recordWriting()
    }

    /// Ends the commitment to pages for more rows.
    public func endGrowth() {
        pool.giveUp(committed)
        committed = 0
        capacity = rowCount
    }

    /// Forgets the rows from `count` on, but not those of a shared prefix.
    public func truncate(to count: Int) {
        precondition(count >= sharedPages * CachePageLayout.tokens && count <= rowCount)
        rowCount = count
        while pages.count > CachePageLayout.pageCount(count) {
            let wasLast = pool.release(pages.removeLast(), keepsCommitment: true)
            precondition(wasLast, "rows that another sequence continues were truncated")
            committed += 1
        }
    }

    /// Bytes that one row takes in all layers.
    public static func bytesPerRow(_ config: DecoderConfig, format: CacheFormat) -> Int {
        let multiple = format.widthMultiple
        let headWidth = (config.attention.headWidth + multiple - 1) / multiple * multiple
        return CachePageLayout(
            format: format, layerCount: config.layers.count, heads: config.attention.keyValueHeads,
            headWidth: headWidth
        ).byteCount / CachePageLayout.tokens
    }
}
