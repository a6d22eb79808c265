// SPDX-License-Identifier: Apache-2.0
import Kernels

/// The attention of one sequence's queries to its keys and values.
struct AttentionPass {
    let queries: UnsafePointer<Float>  // [rows, heads · headWidth]
    let rows: Int
    let keys: AttendedRows
    let values: AttendedRows
    let tokens: Int
    let shape: AttentionShape
    let mask: AttentionMask
    let result: UnsafeMutablePointer<Float>  // [rows, heads · headWidth]

    /// Queries of a key-value head that walk over the tokens together.
    ///
    /// Keys and values are widened once for all of them, and the results of 96 fit the second-level cache
    /// beside a block.
    private static let queriesPerTask = 96
    /// With no more queries of a key-value head than this, blocks of tokens are spread over the threads.
    private static let mostSpreadQueries = 12
    /// Heads that one task of a spread pass reads at most.
    ///
    /// They lie side by side in memory, so that its pages and the processor's prefetching are used well.
    private static let mostHeadsPerTask = 8

    /// Computes `result`.
    func run(_ ops: TensorOps) {
        guard rows > 0 else { return }
        precondition(visibleTokens(rows - 1) <= tokens && visibleTokens(0) > 0)
        if rows * shape.group <= Self.mostSpreadQueries {
            runSpread(ops)
        } else {
            runByHeads(ops)
        }
    }

    /// Tokens that a row sees.
    private func visibleTokens(_ row: Int) -> Int {
        switch mask {
        case .none: tokens
        case .causal(let firstRow): firstRow + row + 1
        }
    }

    private var stateWidth: Int { AttentionKernels.stateWidth(shape.headWidth) }

    /// Many queries: each task walks over all tokens with some queries of one key-value head.
    private func runByHeads(_ ops: TensorOps) {
        let rowsPerTask = max(1, Self.queriesPerTask / shape.group)
        let tasks = (rows + rowsPerTask - 1) / rowsPerTask
        ops.pool.forEach(tasks * shape.keyValueHeads) { index, thread in
            // The last rows see most and come first, so that threads end together.
            let first = (tasks - 1 - index / shape.keyValueHeads) * rowsPerTask
            let range = first..<min(rows, first + rowsPerTask)
            let memory = TaskMemory(ops.scratch, thread, shape, rows: range.count)
            let head = index % shape.keyValueHeads
            copyQueries(range, head, to: memory.queries)
            memory.clearStates()
            var start = 0
            while start < visibleTokens(range.upperBound - 1) {
                attend(range, head, from: start, memory, memory.states, ops.kernels.attention)
                start += AttentionKernels.tokensPerBlock
            }
            finish(range, head, memory.states, ops.kernels.attention)
        }
    }

    /// Few queries: each task takes one block of tokens, and results are merged in the blocks' order.
    private func runSpread(_ ops: TensorOps) {
        let seen = visibleTokens(rows - 1)
        let perBlock = AttentionKernels.tokensPerBlock
        let blocks = (seen + perBlock - 1) / perBlock
        let perHead = rows * shape.group * stateWidth
        let evenShare = blocks * shape.keyValueHeads / (4 * ops.pool.threadCount)
        let perTask = max(1, min(Self.mostHeadsPerTask, evenShare))
        let headTasks = (shape.keyValueHeads + perTask - 1) / perTask
        let count = blocks * shape.keyValueHeads * perHead
        let buffer = ops.buffers.take(count * MemoryLayout<Float>.stride)
        defer { ops.buffers.giveBack(buffer) }
        let states = buffer.start.bindMemory(to: Float.self, capacity: count)
        ops.pool.forEach(blocks * headTasks) { index, thread in
            let (block, first) = (index / headTasks, index % headTasks * perTask)
            let memory = TaskMemory(ops.scratch, thread, shape, rows: rows)
            for head in first..<min(first + perTask, shape.keyValueHeads) {
                copyQueries(0..<rows, head, to: memory.queries)
                let target = states + (block * shape.keyValueHeads + head) * perHead
                target.update(repeating: 0, count: perHead)
                attend(
                    0..<rows, head, from: block * perBlock, memory, target,
                    ops.kernels.attention)
            }
        }
        ops.pool.forEach(shape.keyValueHeads) { head, _ in
            let target = states + head * perHead
            for block in 1..<max(1, blocks) {
                let later = states + (block * shape.keyValueHeads + head) * perHead
                for query in 0..<(rows * shape.group) where later[query * stateWidth + 1] != 0 {
                    ops.kernels.attention.merge(
                        later + query * stateWidth, target + query * stateWidth,
                        shape.headWidth)
                }
            }
            finish(0..<rows, head, target, ops.kernels.attention)
        }
    }

    /// Adds one block of tokens to the results of those rows that see any of it.
    private func attend(
        _ range: Range<Int>, _ head: Int, from start: Int, _ memory: TaskMemory,
        _ states: UnsafeMutablePointer<Float>, _ kernels: AttentionKernels
    ) {
        let first: Int
        switch mask {
        case .none: first = range.lowerBound
        case .causal(let firstRow): first = max(range.lowerBound, start - firstRow)
        }
        let skipped = (first - range.lowerBound) * shape.group
        let seen = visibleTokens(range.upperBound - 1) - start
        let count = min(AttentionKernels.tokensPerBlock, seen)
        let block = AttentionBlock(
            queries: memory.queries + skipped * shape.headWidth,
            queryCount: (range.upperBound - first) * shape.group, width: shape.headWidth,
            keys: keys.head(head * shape.headWidth, from: start),
            values: values.head(head * shape.headWidth, from: start), tokens: count,
            visibleToFirst: visibleTokens(first) - start, queriesPerToken: shape.group)
        kernels.attend(block, states + skipped * stateWidth, memory.scratch)
    }

    /// Gathers the queries of a key-value head, row after row, and scales them.
    private func copyQueries(
        _ range: Range<Int>, _ head: Int, to target: UnsafeMutablePointer<Float>
    ) {
        let scale = 1 / Float(shape.headWidth).squareRoot()
        let count = shape.group * shape.headWidth
        for (place, row) in range.enumerated() {
            let source = queries + row * shape.queryWidth + head * count
            for index in 0..<count { target[place * count + index] = source[index] * scale }
        }
    }

    /// Stores the results of a key-value head's queries.
    private func finish(
        _ range: Range<Int>, _ head: Int, _ states: UnsafePointer<Float>,
        _ kernels: AttentionKernels
    ) {
        for (place, row) in range.enumerated() {
            let target = result + row * shape.queryWidth + head * shape.group * shape.headWidth
            for query in 0..<shape.group {
                kernels.finish(
                    states + (place * shape.group + query) * stateWidth,
                    target + query * shape.headWidth, shape.headWidth)
            }
        }
    }
}

/// One task's part of its thread's scratch memory.
private struct TaskMemory {
    let queries: UnsafeMutablePointer<Float>  // [rows · group, headWidth]
    let states: UnsafeMutablePointer<Float>  // [rows · group, stateWidth]
    let scratch: UnsafeMutablePointer<Float>
    private let stateCount: Int

    init(_ threads: ThreadScratch, _ thread: Int, _ shape: AttentionShape, rows: Int) {
        let queryCount = rows * shape.group * AttentionKernels.paddedWidth(shape.headWidth)
        stateCount = rows * shape.group * AttentionKernels.stateWidth(shape.headWidth)
        scratch = threads.floats(
            AttentionKernels.scratchCount(shape.headWidth) + queryCount + stateCount,
            thread: thread)
        queries = scratch + AttentionKernels.scratchCount(shape.headWidth)
        states = queries + queryCount
    }

    func clearStates() { states.update(repeating: 0, count: stateCount) }
}
