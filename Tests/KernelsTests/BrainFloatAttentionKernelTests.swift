// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import Testing

@Suite struct BrainFloatAttentionKernelTests {
    private func kernels(_ table: String) throws -> FloatPanelKernels {
        try KernelTable.named(table).floatPanels
    }

    /// Panels of the given words, packed from rows that lie 3 numbers further apart than they are wide.
    private func packed(
        _ pack: BrainFloatAttentionKernels.Packing, _ numbers: [Float], rows: Int, width: Int,
        words: Int
    ) throws -> [UInt32] {
        // The memory between the rows must not be read.
        var spread = [Float](repeating: .nan, count: rows * (width + 3))
        for row in 0..<rows {
            for column in 0..<width {
                spread[row * (width + 3) + column] = numbers[row * width + column]
            }
        }
        let panels = [UInt32](repeating: 7, count: words)
        return try #require(
            changed(panels, sentinel: 12_345) { pack(spread, width + 3, rows, width, $0) })
    }

    @Test(arguments: tableNames)
    func panelsHoldWhatTheReferencesDo(table: String) throws {
        let (found, expected) = try (kernels(table), kernels("reference"))
        for rows in [1, 2, 15, 16, 31, 32, 33, 65] {
            for width in [2, 6, 16, 30, 32, 34, 64, 130] {
                let numbers = uniforms(rows * width, in: -9...9, seed: UInt64(rows + 100 * width))
                let columns = (rows + 31) / 32 * 32 * (width / 2)
                let lines = (width + 31) / 32 * 32 * ((rows + 1) / 2)
                let isEqual = try (
                    packed(
                        found.brainFloatAttention.packColumns, numbers, rows: rows, width: width,
                        words: columns)
                        == packed(
                            expected.brainFloatAttention.packColumns, numbers, rows: rows,
                            width: width, words: columns),
                    packed(
                        found.brainFloatAttention.packRows, numbers, rows: rows, width: width,
                        words: lines)
                        == packed(
                            expected.brainFloatAttention.packRows, numbers, rows: rows,
                            width: width, words: lines)
                )
                #expect(isEqual.0, "columns of \(rows) rows of \(width)")
                #expect(isEqual.1, "\(rows) rows of \(width)")
            }
        }
    }

    @Test func theReferencePairsNeighbours() throws {
        let pack = try kernels("reference").brainFloatAttention
        // 1 to 6 are 0x3F80, 0x4000, 0x4040, 0x4080, 0x40A0 and 0x40C0 in bf16.
        let numbers: [Float] = [1, 2, 3, 4, 5, 6]
        let columns = try packed(pack.packColumns, numbers, rows: 3, width: 2, words: 32)
        #expect(columns[..<4] == [0x4000_3F80, 0x4080_4040, 0x40C0_40A0, 0])
        let rows = try packed(pack.packRows, numbers, rows: 3, width: 2, words: 64)
        #expect(rows[..<3] == [0x4040_3F80, 0x4080_4000, 0])
        #expect(rows[32..<35] == [0x0000_40A0, 0x0000_40C0, 0])
    }

    @Test(arguments: tableNames, oddLengths)
    func weightsAreTheRoundedSoftmax(table: String, length: Int) throws {
        let kernels = try KernelTable.named(table)
        for scale in [Float(1), 30, 300] {
            let scores = uniforms(length, in: -scale...scale, seed: UInt64(length))
            let exact = try #require(changed(scores) { kernels.softmax($0, length) })
            var expected = [UInt16](repeating: 0, count: length)
            kernels.floatPanels.brainFloatsFromFloats(exact, &expected, length)
            var overwritten = scores
            let zeros = [UInt16](repeating: 0, count: length)
            let found = try #require(
                changed(zeros, sentinel: 12_345) {
                    kernels.floatPanels.brainFloatAttention.softmax(&overwritten, $0, length)
                })
            for index in 0..<length {
                let isSubnormal = exact[index] < Float.leastNormalMagnitude
                #expect(found[index] == expected[index] || isSubnormal && found[index] == 0)
            }
        }
    }
}
