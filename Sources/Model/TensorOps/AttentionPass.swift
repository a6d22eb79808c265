// SPDX-License-Identifier: Apache-2.0
import KernelInterface

/// The attention of one sequence's queries to its keys and values.
struct AttentionPass {
    /// What the queries attend to.
    enum Tokens {
        /// Keys and values of the same pass.
        case rows(Activations, Activations)  // each [tokens, keyValueHeads · headWidth]
        /// A sequence, whose last tokens are the queries' own.
        case cached(CachedSequence, _ layer: Int, CachePageLayout)
    }

    let queries: UnsafePointer<Float>  // [rows, heads · headWidth]
    let rows: Int
    let tokens: Tokens
    let mask: AttentionMask
    let shape: AttentionShape
    let result: UnsafeMutablePointer<Float>  // [rows, heads · headWidth]

    /// Queries of a key-value head that walk over the tokens together.
    ///
    /// They share widened keys and values, and the results of 96 queries fit the second-level cache
    /// beside a block.
    private static let queriesPerTask = 96
    /// Up to this many queries of a key-value head, blocks of tokens are spread over the threads.
    private static let mostSpreadQueries = 12
    /// Heads that one task of a spread pass reads at most.
    ///
    /// Heads lie side by side in memory, so a task reads whole pages, and in an order that
    /// processors prefetch.
    private static let mostHeadsPerTask = 8

    /// Whether tasks take one block of tokens each, and results are merged in the blocks' order.
    var isSpread: Bool { rows * shape.group <= Self.mostSpreadQueries }

    /// Tokens before those of the queries.
    private var firstToken: Int {
        switch tokens {
        case .rows: 0
        case .cached(let sequence, _, _): sequence.firstToken
        }
    }

    /// Tokens up to the last one that a row sees.
    private func visibleTokens(_ row: Int) -> Int {
        guard mask == .full else { return firstToken + row + 1 }
        switch tokens {
        case .rows(let keys, _): return keys.rows
        case .cached(let sequence, _, _): return sequence.firstToken + sequence.rows.count
        }
    }

    /// Tokens before the first one that a row sees.
    private func hiddenTokens(_ row: Int) -> Int {
        guard case .window(let window) = mask else { return 0 }
        return max(0, visibleTokens(row) - window)
    }

    /// The first token of the first block that a row sees.
    private func firstSeenBlock(_ row: Int) -> Int {
        hiddenTokens(row) / AttentionKernels.tokensPerBlock * AttentionKernels.tokensPerBlock
    }

    private var stateWidth: Int { AttentionKernels.stateWidth(shape.headWidth) }
    /// Blocks of tokens that the last row sees.
    private var blocks: Int {
        let perBlock = AttentionKernels.tokensPerBlock
        return (visibleTokens(rows - 1) + perBlock - 1) / perBlock
    }
    /// Numbers of one key-value head's running results.
    private var statesPerHead: Int { rows * shape.group * stateWidth }
    private var rowsPerTask: Int { max(1, Self.queriesPerTask / shape.group) }
    private func headsPerTask(_ threads: Int) -> Int {
        max(1, min(Self.mostHeadsPerTask, blocks * shape.keyValueHeads / (4 * threads)))
    }

    /// Tasks that can run at once.
    func taskCount(threads: Int) -> Int {
        guard rows > 0 else { return 0 }
        guard isSpread else {
            return (rows + rowsPerTask - 1) / rowsPerTask * shape.keyValueHeads
        }
        let heads = headsPerTask(threads)
        return blocks * ((shape.keyValueHeads + heads - 1) / heads)
    }

    /// Numbers that keep the blocks' results until they are merged.
    var sharedStateCount: Int {
        rows > 0 && isSpread ? blocks * shape.keyValueHeads * statesPerHead : 0
    }

    /// Tasks that run after all others.
    var mergeCount: Int {
        guard rows > 0 && isSpread else { return 0 }
        return (shape.keyValueHeads + Self.mostHeadsPerTask - 1) / Self.mostHeadsPerTask
    }

    /// Runs one of the tasks; `states` holds `sharedStateCount` numbers.
    func runTask(
        _ index: Int, _ states: UnsafeMutablePointer<Float>, _ thread: Int, _ ops: TensorOps
    ) {
        if isSpread {
            attendBlock(index, states, thread, ops)
        } else {
            attendAllTokens(index, thread, ops)
        }
    }

    /// Some queries of one key-value head walk over all tokens.
    private func attendAllTokens(_ index: Int, _ thread: Int, _ ops: TensorOps) {
        let tasks = (rows + rowsPerTask - 1) / rowsPerTask
        // The last rows see the most tokens and come first, so that threads finish together.
        let first = (tasks - 1 - index / shape.keyValueHeads) * rowsPerTask
        let range = first..<min(rows, first + rowsPerTask)
        let memory = TaskMemory(ops.scratch, thread, shape, rows: range.count)
        let head = index % shape.keyValueHeads
        copyQueries(range, head, to: memory.queries)
        memory.clearStates()
        var start = firstSeenBlock(range.lowerBound)
        while start < visibleTokens(range.upperBound - 1) {
            attend(range, head, from: start, memory, memory.states, ops.kernels.attention)
            start += AttentionKernels.tokensPerBlock
        }
        finish(range, head, memory.states, ops.kernels.attention)
    }

    /// All queries of some heads attend to one block of tokens.
    private func attendBlock(
        _ index: Int, _ states: UnsafeMutablePointer<Float>, _ thread: Int, _ ops: TensorOps
    ) {
        let heads = headsPerTask(ops.pool.threadCount)
        let headTasks = (shape.keyValueHeads + heads - 1) / heads
        let (block, first) = (index / headTasks, index % headTasks * heads)
        let memory = TaskMemory(ops.scratch, thread, shape, rows: rows)
        for head in first..<min(first + heads, shape.keyValueHeads) {
            copyQueries(0..<rows, head, to: memory.queries)
            let target = states + (block * shape.keyValueHeads + head) * statesPerHead
            target.update(repeating: 0, count: statesPerHead)
            let start = block * AttentionKernels.tokensPerBlock
            guard start >= firstSeenBlock(0) else { continue }
            attend(0..<rows, head, from: start, memory, target, ops.kernels.attention)
        }
    }

    /// Merges the blocks' results of some heads.
    func runMerge(
        _ index: Int, _ states: UnsafeMutablePointer<Float>, _ kernels: AttentionKernels
    ) {
        let first = index * Self.mostHeadsPerTask
        for head in first..<min(first + Self.mostHeadsPerTask, shape.keyValueHeads) {
            mergeHead(head, states, kernels)
        }
    }

    private func mergeHead(
        _ head: Int, _ states: UnsafeMutablePointer<Float>, _ kernels: AttentionKernels
    ) {
        let target = states + head * statesPerHead
        for block in 1..<max(1, blocks) {
            let later = states + (block * shape.keyValueHeads + head) * statesPerHead
            for query in 0..<(rows * shape.group) where later[query * stateWidth + 1] != 0 {
                kernels.merge(
                    later + query * stateWidth, target + query * stateWidth, shape.headWidth)
            }
        }
        finish(0..<rows, head, target, kernels)
    }

    /// Adds one block of tokens to the results of the rows that see some of it.
    private func attend(
        _ range: Range<Int>, _ head: Int, from start: Int, _ memory: TaskMemory,
        _ states: UnsafeMutablePointer<Float>, _ kernels: AttentionKernels
    ) {
        var first = range.lowerBound
        if mask != .full { first = max(first, start - firstToken) }
        let skipped = (first - range.lowerBound) * shape.group
        let seen = visibleTokens(range.upperBound - 1) - start
        let (keys, values) = headTokens(head, from: start)
        let block = AttentionBlock(
            queries: memory.queries + skipped * shape.headWidth,
            queryCount: (range.upperBound - first) * shape.group, width: shape.headWidth,
            keys: keys, values: values, tokens: min(AttentionKernels.tokensPerBlock, seen),
            visibleToFirst: visibleTokens(first) - start,
            hiddenToFirst: hiddenToFirst(first, from: start), queriesPerToken: shape.group)
        kernels.attend(block, states + skipped * stateWidth, memory.scratch)
    }

    /// Tokens from `start` on that a row no longer sees; negative where its window begins before
    /// `start`.
    private func hiddenToFirst(_ row: Int, from start: Int) -> Int {
        guard case .window(let window) = mask else { return AttentionBlock.noneHidden }
        return visibleTokens(row) - window - start
    }

    /// A head's keys and values from token `first` on, which starts a page.
    private func headTokens(_ head: Int, from first: Int) -> (keys: HeadTokens, values: HeadTokens)
    {
        switch tokens {
        case .rows(let keys, let values):
            func part(_ rows: Activations) -> HeadTokens {
                .rows(
                    HeadRows(start: rows.row(first) + head * shape.headWidth, stride: rows.width))
            }
            return (part(keys), part(values))
        case .cached(let sequence, let layer, let layout):
            func part(_ offset: Int) -> HeadTokens {
                .pages(
                    HeadPages(
                        starts: sequence.pages + first / CachePageLayout.tokens, offset: offset,
                        number: layout.format.number))
            }
            return (
                part(layout.keys(layer: layer, head: head)),
                part(layout.values(layer: layer, head: head))
            )
        }
    }

    /// Gathers the queries of a key-value head, row after row, and scales them.
    private func copyQueries(
        _ range: Range<Int>, _ head: Int, to target: UnsafeMutablePointer<Float>
    ) {
        let scale = shape.scale
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

extension TensorOps {
    /// Runs the attention of several sequences in one fork-join, and merges spread results in a
    /// second one.
    func attend(sequences: Int, _ pass: (_ sequence: Int) -> AttentionPass) {
        let threads = pool.threadCount
        var (taskCount, mergeCount, stateCount) = (0, 0, 0)
        for sequence in 0..<sequences {
            let pass = pass(sequence)
            taskCount += pass.taskCount(threads: threads)
            mergeCount += pass.mergeCount
            stateCount += pass.sharedStateCount
        }
        let buffer = buffers.take(stateCount * MemoryLayout<Float>.stride)
        defer { buffers.giveBack(buffer) }
        let states = buffer.start.bindMemory(to: Float.self, capacity: stateCount)
        /// Calls `body` with the pass that a task belongs to, the task's number in it, and the
        /// pass's states.
        func locate(
            _ index: Int, count: (AttentionPass) -> Int,
            _ body: (AttentionPass, Int, UnsafeMutablePointer<Float>) -> Void
        ) {
            var (task, states) = (index, states)
            for sequence in 0..<sequences {
                let pass = pass(sequence)
                let count = count(pass)
                if task < count { return body(pass, task, states) }
                task -= count
                states += pass.sharedStateCount
            }
        }
        pool.forEach(taskCount) { index, thread in
            locate(index, count: { $0.taskCount(threads: threads) }) {
                $0.runTask($1, $2, thread, self)
            }
        }
        pool.forEach(mergeCount) { index, _ in
            locate(index, count: \.mergeCount) { $0.runMerge($1, $2, kernels.attention) }
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
