// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// Running results of queries, in the layout of `AttentionKernels.stateWidth`.
struct AttentionStates {
    let numbers: UnsafeMutablePointer<Float>
    let width: Int

    @inline(__always)
    func query(_ index: Int) -> UnsafeMutablePointer<Float> {
        numbers + index &* AttentionKernels.stateWidth(width)
    }

    /// Adds a later result to a query's.
    @inline(__always)
    func add(
        largest: Float, total: Float, sums: UnsafePointer<Float>, toQuery index: Int
    ) {
        let state = query(index)
        let target = state + AttentionKernels.sumOffset
        // A sum of weights is at least 1, or NaN.
        guard state[1] != 0 else {
            (state[0], state[1]) = (largest, total)
            return forEachVector(width) { first, lanes in
                FloatVector.load(sums + first, lanes).store(target + first, lanes)
            }
        }
        let isLess = state[0] < largest
        let power = exponential(.all(isLess ? state[0] - largest : largest - state[0]))
        let (kept, added) = isLess ? (power, .all(1)) : (.all(1), power)
        if isLess { state[0] = largest }
        multiply_add(.all(total) * added, .all(state[1]), kept).store(state + 1, 1)
        forEachVector(width) { first, lanes in
            let sum = FloatVector.load(sums + first, lanes) * added
            multiply_add(sum, .load(target + first, lanes), kept).store(target + first, lanes)
        }
    }
}

/// The work on one block: keys and values are widened once for all queries.
private struct AttentionBlockWork {
    let block: AttentionBlock
    let states: AttentionStates
    let keys: UnsafeMutablePointer<Float>  // panels of [padded width, tokens]
    let values: UnsafeMutablePointer<Float>  // panels of [tokens, padded width]
    let scores: UnsafeMutablePointer<Float>  // [queriesPerBatch, tokensPerBlock]
    let sums: UnsafeMutablePointer<Float>  // [queriesPerBatch, padded width]
    /// Keys and values that are read in place.
    let (keyPages, valuePages): (HeadPages?, HeadPages?)

    @inline(__always)
    init(
        _ block: AttentionBlock, _ states: UnsafeMutablePointer<Float>,
        _ scratch: UnsafeMutablePointer<Float>
    ) {
        let size = AttentionKernels.tokensPerBlock &* AttentionKernels.paddedWidth(block.width)
        self.block = block
        self.states = AttentionStates(numbers: states, width: block.width)
        keys = scratch
        values = keys + size
        scores = values + size
        sums = scores + AttentionKernels.queriesPerBatch &* AttentionKernels.tokensPerBlock
        keyPages = block.keys.halfPages(forQueries: block.queryCount)
        valuePages =
            block.width % lane_count == 0
            ? block.values.halfPages(forQueries: block.queryCount) : nil
    }

    @inline(__always)
    func run() {
        if keyPages == nil {
            block.keys.storeColumns(keys, tokens: block.tokens, width: block.width)
        }
        if valuePages == nil {
            block.values.storeRows(values, tokens: block.tokens, width: block.width)
        }
        var first = 0
        while first < block.queryCount {
            let end = min(first &+ AttentionKernels.queriesPerBatch, block.queryCount)
            computeScores(first, end)
            withUnsafeTemporaryAllocation(
                of: Float.self, capacity: 2 &* AttentionKernels.queriesPerBatch
            ) { memory in
                let totals = memory.baseAddress.unsafelyUnwrapped
                computeWeights(first, end, totals)
                computeSums(first, end)
                addToStates(first, end, totals)
            }
            first = end
        }
    }

    /// Calls `body` for the register tiles of the queries from `first` to `end`.
    @inline(__always)
    private func forEachTile(
        _ first: Int, _ end: Int, _ body: (_ query: Int, _ row: Int, _ rows: Int) -> Void
    ) {
        var query = first
        while query < end {
            body(query, query &- first, min(FloatTile.rows, end &- query))
            query &+= FloatTile.rows
        }
    }

    /// Scores of queries; those of tokens that a query does not see are not used.
    @inline(__always)
    private func computeScores(_ first: Int, _ end: Int) {
        let panels = Panels(columns: block.tokens)
        panels.forEach(upTo: block.visibleTokens(end &- 1)) { token, isWide in
            forEachTile(first, end) { query, row, rows in
                guard token < block.visibleTokens(query &+ rows &- 1) else { return }
                let left = block.queries + query &* block.width
                let out = scores + (row &* AttentionKernels.tokensPerBlock &+ token)
                if let keyPages {
                    PagedScores(
                        queries: left, width: block.width, keys: keyPages, token: token, out: out,
                        outStride: AttentionKernels.tokensPerBlock
                    ).compute(rows: rows, isWide: isWide)
                } else {
                    let depth = AttentionKernels.paddedWidth(block.width)
                    let product = FloatProduct(
                        left: left, leftStride: block.width,
                        right: keys + panels.offset(token, rows: depth),
                        rightStride: panels.width(token), depth: block.width, out: out,
                        outStride: AttentionKernels.tokensPerBlock, continues: false)
                    multiplyFloats(product, rows: rows, isWide: isWide)
                }
            }
        }
    }

    /// Turns scores into weights; stores each query's largest score and the sum of its weights.
    @inline(__always)
    private func computeWeights(
        _ first: Int, _ end: Int, _ totals: UnsafeMutablePointer<Float>
    ) {
        for query in first..<end {
            let row = query &- first
            let line = scores + row &* AttentionKernels.tokensPerBlock
            let hidden = block.hiddenTokens(query)
            let (seen, tokens) = (line + hidden, block.visibleTokens(query) &- hidden)
            // Tokens before the window have no weight.
            for token in 0..<hidden { line[token] = 0 }
            let offset = tokens > 0 ? largest(seen, tokens) : 0
            totals[2 &* row] = offset
            totals[2 &* row &+ 1] = tokens > 0 ? exponentiate(seen, tokens, minus: offset) : 0
        }
    }

    /// Sums of the values that queries see, times their weights.
    @inline(__always)
    private func computeSums(_ first: Int, _ end: Int) {
        let panels = Panels(columns: block.width)
        panels.forEach(upTo: block.width) { column, isWide in
            forEachTile(first, end) { query, row, rows in
                let tokens = block.visibleTokens(query)
                addValues(column, isWide, row, rows, from: 0, to: tokens)
                // Tokens that only the later queries of the tile see.
                for index in 1..<max(1, rows) {
                    addValues(
                        column, isWide, row &+ index, 1, from: tokens,
                        to: block.visibleTokens(query &+ index))
                }
            }
        }
    }

    /// Adds some tokens' numbers in one panel of the values to the sums of some rows.
    @inline(__always)
    private func addValues(
        _ column: Int, _ isWide: Bool, _ row: Int, _ rows: Int, from start: Int, to end: Int
    ) {
        guard start < end else { return }
        if let valuePages {
            return addPagedValues(valuePages, column, isWide, row, rows, from: start, to: end)
        }
        let panels = Panels(columns: block.width)
        let stride = panels.width(column)
        let right = values + (panels.offset(column, rows: block.tokens) &+ start &* stride)
        multiplyFloats(
            product(column, row, UnsafeRawPointer(right), stride, from: start, to: end),
            rows: rows, isWide: isWide)
    }

    /// The same with values that are read in place, page by page.
    @inline(__always)
    private func addPagedValues(
        _ pages: HeadPages, _ column: Int, _ isWide: Bool, _ row: Int, _ rows: Int,
        from start: Int, to end: Int
    ) {
        var token = start
        while token < end {
            let slot = token % HeadPages.tokensPerPage
            let next = min(end, token &- slot &+ HeadPages.tokensPerPage)
            let right = UnsafeRawPointer(pages.page(token)) + 2 &* (slot &* block.width &+ column)
            multiplyHalves(
                product(column, row, right, block.width, from: token, to: next), rows: rows,
                isWide: isWide)
            token = next
        }
    }

    /// The weights of some tokens times their values, added to what earlier tokens gave.
    @inline(__always)
    private func product(
        _ column: Int, _ row: Int, _ right: UnsafeRawPointer, _ stride: Int, from start: Int,
        to end: Int
    ) -> FloatProduct {
        let sumStride = AttentionKernels.paddedWidth(block.width)
        return FloatProduct(
            left: scores + (row &* AttentionKernels.tokensPerBlock &+ start),
            leftStride: AttentionKernels.tokensPerBlock, right: right, rightStride: stride,
            depth: end &- start, out: sums + (row &* sumStride &+ column), outStride: sumStride,
            continues: start > 0)
    }

    @inline(__always)
    private func addToStates(_ first: Int, _ end: Int, _ totals: UnsafePointer<Float>) {
        for query in first..<end {
            let row = query &- first
            // The block holds nothing of this query's window.
            guard totals[2 &* row &+ 1] != 0 else { continue }
            states.add(
                largest: totals[2 &* row], total: totals[2 &* row &+ 1],
                sums: sums + row &* AttentionKernels.paddedWidth(block.width), toQuery: query)
        }
    }
}

/// The kernels of attention for this instruction set.
func attentionKernels() -> AttentionKernels {
    AttentionKernels(
        attend: { block, states, scratch in AttentionBlockWork(block, states, scratch).run() },
        merge: { later, state, width in
            AttentionStates(numbers: state, width: width).add(
                largest: later[0], total: later[1],
                sums: later + AttentionKernels.sumOffset, toQuery: 0)
        },
        finish: { state, out, width in
            let factor = FloatVector.all(1 / state[1])
            forEachVector(width) { first, lanes in
                let sum = FloatVector.load(state + AttentionKernels.sumOffset + first, lanes)
                (sum * factor).store(out + first, lanes)
            }
        },
        storeKeys: { rows, page, number in storeKeys(rows, page, number) },
        storeValues: { rows, page, number in storeValues(rows, page, number) })
}
