// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import WorkerPool

/// How a matrix product treats its activations.
public enum ActivationMode: String, CaseIterable, Sendable {
    /// Exactly decoded weights times 32-bit activations: the accuracy reference.
    case float
    /// Activations rounded to bytes with a scale for each 32, as in llama.cpp.
    case per32
    /// Activations rounded to bytes with a scale for each 32, which is the row's over a power of
    /// two.
    case pow2
}

/// The layers' arithmetic on whole activation matrices: kernels times the pool's threads.
public final class TensorOps: Sendable {
    /// The inner loops.
    public let kernels: KernelTable
    /// The threads.
    public let pool: WorkerPool
    /// How matrix products treat activations.
    public let activationMode: ActivationMode
    let scratch: ThreadScratch
    let buffers = ReusedBuffers()
    let panelMemory = PanelMemory()

    /// Operations with the given kernels and threads.
    public init(kernels: KernelTable, pool: WorkerPool, activationMode: ActivationMode = .float) {
        self.kernels = kernels
        self.pool = pool
        self.activationMode = activationMode
        scratch = ThreadScratch(threadCount: pool.threadCount)
    }

    /// The same operations on threads of their own.
    public func onOtherThreads(count: Int) -> TensorOps {
        TensorOps(
            kernels: kernels, pool: WorkerPool(threadCount: count), activationMode: activationMode)
    }

    /// Uninitialised activations, in memory that earlier ones have given back.
    public func activations(rows: Int, width: Int) -> Activations {
        Activations(rows: rows, width: width, from: buffers)
    }

    /// The same where a picture decides the size, so that memory may be short.
    ///
    /// - Throws: `MemoryShortage` when the system does not grant it.
    public func grantedActivations(rows: Int, width: Int) throws(MemoryShortage) -> Activations {
        try Activations(rows: rows, width: width, grantedBy: buffers)
    }

    /// Gives the system the memory that earlier activations have given back.
    public func freeIdleMemory() { buffers.freeIdle() }

    /// Claims memory that is about to be taken; others are refused it until the claim is dropped.
    ///
    /// - Throws: `MemoryShortage` when the system does not grant it.
    public func claimMemory(_ byteCount: Int) throws(MemoryShortage) -> MemoryClaim {
        guard let claim = buffers.claim(byteCount) else {
            throw MemoryShortage(byteCount: byteCount)
        }
        return claim
    }

    /// Copies of the given rows, in the given order.
    ///
    /// - Parameter width: how many of each row's first numbers are copied; nil for all.
    /// - Throws: `MemoryShortage` when the system does not grant their memory.
    public func gather(
        _ indices: [Int], of rows: Activations, width: Int? = nil
    ) throws(MemoryShortage) -> Activations {
        let width = width ?? rows.width
        precondition(width <= rows.width)
        let gathered = try grantedActivations(rows: indices.count, width: width)
        forEachRow(of: gathered) { row, index in
            row.update(from: rows.row(indices[index]), count: width)
        }
        return gathered
    }

    /// Calls `body` with every row of `activations`, several rows at a time on all threads.
    public func forEachRow(
        of activations: Activations, _ body: (UnsafeMutablePointer<Float>, _ index: Int) -> Void
    ) {
        forEachRow(count: activations.rows) { body(activations.row($0), $0) }
    }

    /// Calls `body` with the index of every row, several rows at a time on all threads.
    func forEachRow(count: Int, _ body: (_ index: Int) -> Void) {
        let rowsPerChunk = max(1, count / (4 * pool.threadCount))
        let chunks = (count + rowsPerChunk - 1) / rowsPerChunk
        pool.forEach(chunks) { chunk, _ in
            let end = min(count, (chunk + 1) * rowsPerChunk)
            for index in (chunk * rowsPerChunk)..<end { body(index) }
        }
    }
}

/// Memory that each thread reuses from product to product.
final class ThreadScratch: @unchecked Sendable {
    private let buffers: UnsafeMutableBufferPointer<UnsafeMutableBufferPointer<Float>>

    init(threadCount: Int) {
        buffers = .allocate(capacity: threadCount)
        buffers.initialize(repeating: UnsafeMutableBufferPointer(start: nil, count: 0))
    }

    deinit {
        for buffer in buffers { buffer.deallocate() }
        buffers.deallocate()
    }

    /// At least `count` floats for `thread` alone, until its next call; aligned for vectors.
    func floats(_ count: Int, thread: Int) -> UnsafeMutablePointer<Float> {
        if let base = buffers[thread].baseAddress, buffers[thread].count >= count { return base }
        buffers[thread].deallocate()
        // Half as much again: attention asks for a little more with every token.
        let capacity = max(1, count + count / 2)
        // 64 bytes: a cache line, and the widest vector register.
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: capacity * MemoryLayout<Float>.stride, alignment: 64)
        let base = memory.bindMemory(to: Float.self, capacity: capacity)
        buffers[thread] = UnsafeMutableBufferPointer(start: base, count: capacity)
        return base
    }
}
