// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import TestSupport

/// Keys and values of one head, as activations or in pages that a table has stored, and queries.
final class HeadCase {
    let width: Int
    let tokens: Int
    let queries: [Float]  // [queryCount, width]
    private let numbers: UnsafeMutablePointer<Float>  // [2 · tokens, stride]
    private let stride: Int
    private let number: PageNumber?
    private let memory: UnsafeMutableRawPointer
    private let starts: UnsafeMutablePointer<UnsafeMutableRawPointer>

    /// - Parameters:
    ///   - number: what pages hold; nil for activations.
    ///   - deviation: of the queries' numbers.
    init(width: Int, tokens: Int, queries count: Int, _ number: PageNumber?, deviation: Float = 1) {
        var random = SeededGenerator(seed: UInt64(width * 1000 + tokens))
        self.width = width
        self.tokens = tokens
        self.number = number
        queries = (0..<(count * width)).map { _ in deviation * random.nextGaussian() }
        stride = width + 3
        numbers = .allocate(capacity: 2 * tokens * stride)
        for index in 0..<(2 * tokens * stride) { numbers[index] = random.nextGaussian() }
        let pages = (tokens + HeadPages.tokensPerPage - 1) / HeadPages.tokensPerPage
        let byteCount = number?.byteCount(width) ?? 0
        // Unwritten memory must not matter.
        memory = .allocate(byteCount: 2 * pages * byteCount + 64, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0xFF, count: 2 * pages * byteCount)
        starts = .allocate(capacity: pages)
        for (index, page) in (0..<pages).shuffled(using: &random).enumerated() {
            (starts + index).initialize(to: memory + 2 * page * byteCount)
        }
    }

    deinit {
        numbers.deallocate()
        memory.deallocate()
        starts.deallocate()
    }

    /// Stores keys and values in pages, a few tokens at a time.
    func store(_ kernels: AttentionKernels, tokensAtOnce: Int) {
        guard let number else { return }
        var token = 0
        while token < tokens {
            let slot = token % HeadPages.tokensPerPage
            let count = min(tokensAtOnce, tokens - token, HeadPages.tokensPerPage - slot)
            let page = starts[token / HeadPages.tokensPerPage]
            for (first, store, offset) in [
                (token, kernels.storeKeys, 0),
                (tokens + token, kernels.storeValues, number.byteCount(width)),
            ] {
                let rows = PageRows(
                    start: numbers + first * stride, stride: stride, tokens: count, width: width,
                    slot: slot)
                store(rows, page + offset, number)
            }
            token += count
        }
    }

    /// The bytes of all pages.
    var pageBytes: [UInt8] {
        let pages = (tokens + HeadPages.tokensPerPage - 1) / HeadPages.tokensPerPage
        let count = 2 * pages * (number?.byteCount(width) ?? 0)
        return Array(UnsafeRawBufferPointer(start: memory, count: count))
    }

    /// Where the keys or the values from some token on are, the first of a block.
    private func head(_ areKeys: Bool, from token: Int) -> HeadTokens {
        guard let number else {
            let row = areKeys ? token : tokens + token
            return .rows(HeadRows(start: numbers + row * stride, stride: stride))
        }
        let offset = areKeys ? 0 : number.byteCount(width)
        return .pages(
            HeadPages(
                starts: starts + token / HeadPages.tokensPerPage, offset: offset, number: number))
    }

    /// Adds what some queries see in the block from `token` on to their running results.
    func attend(
        _ kernels: AttentionKernels, to token: Int, queries range: Range<Int>, visibleToFirst: Int,
        queriesPerToken: Int, _ states: inout [Float]
    ) {
        // Scratch memory may hold anything.
        var scratch = [Float](repeating: .nan, count: AttentionKernels.scratchCount(width))
        let block = queries.withUnsafeBufferPointer { queries in
            AttentionBlock(
                queries: queries.baseAddress.unsafelyUnwrapped + range.lowerBound * width,
                queryCount: range.count, width: width, keys: head(true, from: token),
                values: head(false, from: token),
                tokens: min(AttentionKernels.tokensPerBlock, tokens - token),
                visibleToFirst: visibleToFirst, queriesPerToken: queriesPerToken)
        }
        withExtendedLifetime(queries) { kernels.attend(block, &states, &scratch) }
    }
}
