// SPDX-License-Identifier: Apache-2.0
import Synchronization
import SystemLimits
import TensorOps
import Weights

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The memory of all KV caches: pages of 16 tokens that sequences take, share and give back.
///
/// A sequence commits the most pages that it may need before it starts, and takes them as its rows
/// are written. A committed sequence can always go on, so sequences never deadlock.
public final class CachePagePool: Sendable {
    /// The layout of a page.
    public let layout: CachePageLayout
    /// All pages.
    public let capacity: Int

    /// How many pages are in use, and how many may be.
    public struct Usage: Sendable, Equatable {
        /// Pages that hold rows of some sequence.
        public var taken = 0
        /// Pages that sequences may still take.
        public var committed = 0
        /// The most pages that ever held rows at the same time.
        public var mostTaken = 0
        /// Pages that get memory of the system when they are written to.
        public var promised = 0

        /// Pages that will be written to for the first time; free ones are used again first.
        fileprivate var untouched: Int { max(0, taken + committed - mostTaken) }
    }

    private struct State {
        var usage = Usage()
        /// Sequences that share each page; zero for free pages.
        var references: [Int]
        /// Free pages; the one used last comes last.
        var free: [Int]
    }

    private let state: Mutex<State>
    private let memory: CacheMemory

    /// Room for at least `rows` rows of a decoder with the given shape.
    ///
    /// - Throws: `ModelError.cacheTooLarge` when the system does not grant the memory,
    ///   `ModelError.cacheFormatMismatch` for heads that the format cannot hold.
    public init(
        _ config: DecoderConfig, rows: Int, format: CacheFormat
    ) throws(ModelError) {
        let attention = config.attention
        guard attention.headWidth % format.widthMultiple == 0 else {
            throw .cacheFormatMismatch(
                format: format.rawValue, headWidth: attention.headWidth,
                multiple: format.widthMultiple)
        }
        layout = CachePageLayout(
            format: format, layerCount: config.layers.count, heads: attention.keyValueHeads,
            headWidth: attention.headWidth)
        capacity = CachePageLayout.pageCount(rows)
        let (bytes, isTooLarge) = capacity.multipliedReportingOverflow(by: layout.byteCount)
        guard !isTooLarge, let memory = CacheMemory(byteCount: bytes) else {
            throw .cacheTooLarge(
                rows: rows, bytesPerRow: layout.byteCount / CachePageLayout.tokens)
        }
        self.memory = memory
        state = Mutex(
            State(
                references: Array(repeating: 0, count: capacity),
                free: Array((0..<capacity).reversed())))
    }

    /// Bytes of some pages.
    public func byteCount(pages: Int) -> Int { pages * layout.byteCount }

    /// How many pages are in use.
    public var usage: Usage { state.withLock(\.usage) }

    deinit { GroupMemory.shared.endPromise(byteCount(pages: state.withLock(\.usage.promised))) }

    /// Commits pages to one sequence of `rows` rows, all or none.
    ///
    /// - Throws: `ModelError.outOfCachePages`, and `ModelError.noMemory` where the control group is too small for pages that
    ///   have never been used.
    func commit(_ pages: Int, rows: Int) throws(ModelError) {
        try state.withLock { state throws(ModelError) in
            let free = capacity - state.usage.taken - state.usage.committed
            guard pages <= free else {
                throw .outOfCachePages(rows: rows, pages: pages, free: free, capacity: capacity)
            }
            state.usage.committed += pages
            let bytes = byteCount(pages: state.usage.untouched - state.usage.promised)
            guard GroupMemory.shared.promise(bytes) else {
                state.usage.committed -= pages
                throw .noMemory(place: "the KV cache of \(rows) rows", byteCount: bytes)
            }
            state.usage.promised = state.usage.untouched
        }
    }

    /// Ends a commitment to pages that were not taken.
    func giveUp(_ pages: Int) {
        state.withLock { state in
            state.usage.committed -= pages
            endPromise(&state)
        }
    }

    /// Ends the promise of memory for pages that have been written to, or will not be.
    private func endPromise(_ state: inout State) {
        guard state.usage.promised != state.usage.untouched else { return }
        GroupMemory.shared.endPromise(
            byteCount(pages: state.usage.promised - state.usage.untouched))
        state.usage.promised = state.usage.untouched
    }

    /// Takes one of the committed pages.
    func take() -> Int {
        state.withLock { state in
            precondition(state.usage.committed > 0)
            let page = state.free.removeLast()
            state.references[page] = 1
            state.usage.committed -= 1
            state.usage.taken += 1
            state.usage.mostTaken = max(state.usage.mostTaken, state.usage.taken)
            return page
        }
    }

    /// Records that the taken pages have been written to.
    func recordWriting() { state.withLock { endPromise(&$0) } }

    /// Lets one more sequence use a page.
    func share(_ page: Int) { state.withLock { $0.references[page] += 1 } }

    /// Ends one sequence's use of a page; returns whether it was the last use.
    ///
    /// - Parameter keepsCommitment: whether the sequence may take another page in place of a freed
    ///   one.
    @discardableResult
    func release(_ page: Int, keepsCommitment: Bool = false) -> Bool {
        state.withLock { state in
            state.references[page] -= 1
            guard state.references[page] == 0 else { return false }
            state.free.append(page)
            state.usage.taken -= 1
            if keepsCommitment { state.usage.committed += 1 }
            endPromise(&state)
            return true
        }
    }

    /// Where a page starts.
    func start(_ page: Int) -> UnsafeMutableRawPointer {
        memory.start + page * layout.byteCount
    }
}

/// Memory that the system backs as it is written.
private final class CacheMemory: @unchecked Sendable {
    let start: UnsafeMutableRawPointer
    private let mapped: UnsafeMutableRawBufferPointer

    /// Large pages of x86-64, and of AArch64 with small pages of 4 KB.
    private static let largePage = 2 << 20

    init?(byteCount: Int) {
        let (length, isTooLarge) = byteCount.addingReportingOverflow(2 * Self.largePage)
        let flags = MAP_PRIVATE | MAP_ANON
        guard !isTooLarge,
            let memory = mmap(nil, length, PROT_READ | PROT_WRITE, flags, -1, 0),
            memory != MAP_FAILED
        else { return nil }
        guard AddressSpace.hasReserve else {
            munmap(memory, length)
            return nil
        }
        mapped = UnsafeMutableRawBufferPointer(start: memory, count: length)
        start = memory.alignedUp(toMultipleOf: Self.largePage)
        #if os(Linux)
            // Without large pages the memory is only slower. Small caches would waste them.
            if byteCount >= 16 * Self.largePage {
                _ = madvise(start, byteCount, Int32(MADV_HUGEPAGE))
            }
        #endif
    }

    deinit { munmap(mapped.baseAddress, mapped.count) }
}
