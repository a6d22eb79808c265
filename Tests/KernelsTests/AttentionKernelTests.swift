// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import Testing

/// One block of tokens, and a table's results for it.
@Suite struct AttentionKernelTests {
    static let tables = tableNames.filter { $0 != "reference" }
    /// Less than a vector, whole and odd numbers of vectors, and the widths that models have.
    static let widths = [1, 7, 33, 64, 80, 96, 128]
    static let tokenCounts = [1, 15, 16, 17, 63, 64, 127, 128]

    /// The storage of keys and values, and the deviation of queries.
    ///
    /// With 6, scores reach some tens, so that the largest one changes from block to block.
    static let mergedNumbers: [(PageNumber?, Float)] = [(nil, 1), (.half, 1), (.half, 6)]

    /// Activations, and the pages that have room for such a width.
    private func numbers(_ width: Int) -> [PageNumber?] {
        [nil, .half, .float] + (width % PageNumber.numbersPerScale == 0 ? [.byte] : [])
    }

    /// What rounding may change.
    ///
    /// Scores have the error of a sum of `width` products, weights the same error relatively, and a
    /// sum over all tokens adds its own. Values stay below 6.
    private func tolerance(_ width: Int, tokens: Int) -> Float {
        6 * (Float(width + 8) * 6 + Float(tokens / 16 + 16)) * .ulpOfOne
    }

    /// A description of the first number that is off by more than `bound`, or nil.
    private func firstDifference(_ found: [Float], _ expected: [Float], bound: Float) -> String? {
        for index in found.indices where !(abs(found[index] - expected[index]) <= bound) {
            return "number \(index) is \(found[index]), not \(expected[index])"
        }
        return nil
    }

    /// The results of running results.
    private func finished(_ kernels: AttentionKernels, _ states: [Float], _ width: Int) -> [Float] {
        let stateWidth = AttentionKernels.stateWidth(width)
        var out = [Float](repeating: 12_345, count: states.count / stateWidth * width + 1)
        for query in 0..<(states.count / stateWidth) {
            states.withUnsafeBufferPointer { states in
                out.withUnsafeMutableBufferPointer { out in
                    kernels.finish(
                        states.baseAddress.unsafelyUnwrapped + query * stateWidth,
                        out.baseAddress.unsafelyUnwrapped + query * width, width)
                }
            }
        }
        #expect(out.last == 12_345)
        return out.dropLast()
    }

    private func noStates(_ queries: Int, _ width: Int) -> [Float] {
        [Float](repeating: 0, count: queries * AttentionKernels.stateWidth(width))
    }

    @Test(arguments: tables, widths)
    func pagesHoldWhatTheReferenceStores(table: String, width: Int) throws {
        let kernels = try KernelTable.named(table).attention
        for number in numbers(width) {
            for tokensAtOnce in [1, 3, 16] {
                let stored = [kernels, KernelTable.reference.attention].map { kernels in
                    let head = HeadCase(width: width, tokens: 37, queries: 0, number)
                    head.store(kernels, tokensAtOnce: tokensAtOnce)
                    return head.pageBytes
                }
                #expect(stored[0] == stored[1], "\(tokensAtOnce) tokens at once")
            }
        }
    }

    @Test(arguments: tables, widths)
    func blocksMatchTheReference(table: String, width: Int) throws {
        let kernels = try KernelTable.named(table).attention
        let reference = KernelTable.reference.attention
        // A tile's queries read pages of halves in place; 25 queries are one more than a batch.
        let queries = [(1, 1), (2, 1), (5, 5), (6, 2), (7, 1), (25, 3)]
        for (tokens, (count, perToken)) in Self.tokenCounts.flatMap({ tokens in
            queries.map { (tokens, $0) }
        }) {
            for number in numbers(width) {
                let head = HeadCase(width: width, tokens: tokens, queries: count, number)
                head.store(reference, tokensAtOnce: 16)
                let visible = max(1, tokens - count / perToken)
                let results = [kernels, reference].map { kernels in
                    var states = noStates(count, width)
                    head.attend(
                        kernels, to: 0, queries: 0..<count, visibleToFirst: visible,
                        queriesPerToken: perToken, &states)
                    return finished(kernels, states, width)
                }
                let bound = tolerance(width, tokens: tokens)
                #expect(
                    firstDifference(results[0], results[1], bound: bound) == nil,
                    "\(count) queries, \(tokens) tokens")
            }
        }
    }

    @Test(arguments: tables, widths)
    func queriesBesideDoNotMatter(table: String, width: Int) throws {
        let kernels = try KernelTable.named(table).attention
        for number in numbers(width) {
            for (count, visible) in [(7, 90), (25, 1), (50, 128)] {
                let head = HeadCase(width: width, tokens: 128, queries: count, number)
                head.store(kernels, tokensAtOnce: 16)
                var together = noStates(count, width)
                head.attend(
                    kernels, to: 0, queries: 0..<count, visibleToFirst: visible, queriesPerToken: 2,
                    &together)
                let whole = finished(kernels, together, width)
                for query in 0..<count {
                    var state = noStates(1, width)
                    head.attend(
                        kernels, to: 0, queries: query..<(query + 1),
                        visibleToFirst: visible + query / 2, queriesPerToken: 1, &state)
                    let alone = finished(kernels, state, width)
                    #expect(
                        Array(whole[(query * width)..<((query + 1) * width)]) == alone,
                        "query \(query) of \(count)")
                }
            }
        }
    }

    /// Blocks that are added in turn or merged later give the same bits, and the reference's
    /// results.
    @Test(arguments: tables, widths)
    func blocksMergeInOrder(table: String, width: Int) throws {
        let kernels = try KernelTable.named(table).attention
        let reference = KernelTable.reference.attention
        for (number, deviation) in Self.mergedNumbers {
            let head = HeadCase(
                width: width, tokens: 300, queries: 2, number, deviation: deviation)
            head.store(reference, tokensAtOnce: 16)
            func attend(_ kernels: AttentionKernels, _ token: Int, _ states: inout [Float]) {
                head.attend(
                    kernels, to: token, queries: 0..<2, visibleToFirst: 128, queriesPerToken: 1,
                    &states)
            }
            let results = [kernels, reference].map { kernels in
                var states = noStates(2, width)
                for token in [0, 128, 256] { attend(kernels, token, &states) }
                return finished(kernels, states, width)
            }
            var merged = noStates(2, width)
            for token in [0, 128, 256] {
                var later = noStates(2, width)
                attend(kernels, token, &later)
                let stateWidth = AttentionKernels.stateWidth(width)
                for query in 0..<2 {
                    let state = Array(later[(query * stateWidth)..<((query + 1) * stateWidth)])
                    merged.withUnsafeMutableBufferPointer {
                        kernels.merge(
                            state, $0.baseAddress.unsafelyUnwrapped + query * stateWidth, width)
                    }
                }
            }
            #expect(finished(kernels, merged, width) == results[0])
            let bound = deviation * tolerance(width, tokens: 300)
            #expect(firstDifference(results[0], results[1], bound: bound) == nil)
        }
    }
}
