// SPDX-License-Identifier: Apache-2.0
import Kernels
import Testing
import WorkerPool

@testable import TensorOps

@Suite struct ReusedBufferTests {
    @Test func activationsComeBack() {
        let ops = TensorOps(kernels: .reference, pool: WorkerPool(threadCount: 1))
        let first = ops.activations(rows: 40, width: 50).values
        // The first one is gone by now.
        #expect(ops.activations(rows: 50, width: 40).values == first)
        let held = ops.activations(rows: 40, width: 50)
        let other = ops.activations(rows: 40, width: 50)
        #expect(held.values != other.values)
    }

    @Test func muchLargerOnesAreKeptForOthers() {
        let buffers = ReusedBuffers()
        let large = buffers.take(1 << 20)
        buffers.giveBack(large)
        let small = buffers.take(1000)
        #expect(small.byteCount == 1000)
        let again = buffers.take(600_000)
        #expect(again.start == large.start)
        buffers.giveBack(small)
        buffers.giveBack(again)
    }

    @Test func idleMemoryIsNoMoreThanWasEverUsed() {
        let buffers = ReusedBuffers()
        for size in 1...20 {
            // Each too large for all before.
            buffers.giveBack(buffers.take(1000 << size))
            #expect(buffers.idleBytes <= 1000 << size)
        }
    }

    @Test func emptyActivationsHaveMemoryOfTheirOwn() {
        let ops = TensorOps(kernels: .reference, pool: WorkerPool(threadCount: 1))
        let empty = ops.activations(rows: 0, width: 7)
        #expect(empty.rows == 0 && empty.isFinite)
    }
}

@Suite struct PanelMemoryTests {
    @Test(arguments: [0, 1, 63, 64, 65, 5 << 20, 64 << 20, 64 << 20 + 1, 200 << 20])
    func piecesAreZeroAlignedAndApart(byteCount: Int) throws {
        let memory = PanelMemory()
        let pieces = try (0..<3).map { _ in try #require(memory.take(byteCount)) }
        for (index, piece) in pieces.enumerated() {
            #expect(Int(bitPattern: piece.start) % 64 == 0)
            // The ends of each piece, which a neighbour would have written.
            guard byteCount > 0 else { continue }
            for offset in Set([0, byteCount - 1]) {
                let byte = piece.start.advanced(by: offset)
                #expect(byte.load(as: UInt8.self) == 0)
                byte.storeBytes(of: UInt8(index + 1), as: UInt8.self)
            }
        }
        for (index, piece) in pieces.enumerated() where byteCount > 0 {
            #expect(piece.start.load(as: UInt8.self) == UInt8(index + 1))
            #expect(
                piece.start.load(fromByteOffset: byteCount - 1, as: UInt8.self) == UInt8(index + 1))
        }
    }
}
