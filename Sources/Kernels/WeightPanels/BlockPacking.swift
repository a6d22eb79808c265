// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import CVectorOps
import KernelInterface

/// How the blocks of one format become superblocks of panels.
///
/// The compiler specialises the code for each format, so these properties are constants there.
protocol BlockPacking {
    /// The format of the blocks.
    static var format: BlockFormat { get }
    /// Weights of a block.
    static var blockLength: Int { get }
    /// Bytes of a block.
    static var blockBytes: Int { get }
    /// Where a superblock of panels keeps its numbers.
    static var layout: PanelLayout { get }
    /// Bytes of a superblock's weights in a column's buffer: one per weight, or as many as in the
    /// file.
    static var bufferedBytes: Int { get }
    /// Whether non-finite factors are refused.
    static var refusesInfinity: Bool { get }

    /// Reads block `index` of a superblock into a column's buffers.
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock)
    /// Writes the integer scales and minima of one column, where the format has them.
    static func writeScales(_ block: ColumnBlock, _ column: Int, to panel: SuperblockWriter)
    /// Writes the weights of a group of columns that starts at `column`.
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter)
}

extension BlockPacking {
    static var refusesInfinity: Bool { true }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writePairs(group, of: 4, column)
    }

    @inline(__always)
    static func writeScales(_ block: ColumnBlock, _ column: Int, to panel: SuperblockWriter) {}

    /// Packs the rows of up to 32 outputs, as `PanelPacker.pack` describes.
    static func pack(
        _ rows: UnsafeRawPointer, inputs: Int, count: Int, into panel: UnsafeMutableRawPointer
    ) -> Int? {
        let group = ColumnGroup()
        defer { group.deallocate() }
        let layout = layout
        let superblocks = PanelKind(format).superblocks(inputs)
        touch_lines(rows, count &* (inputs / blockLength) &* blockBytes)
        for superblock in 0..<superblocks {
            let start = panel + superblock &* layout.superblockBytes
            prefetchForWriting(start + layout.superblockBytes, layout.superblockBytes)
            let writer = SuperblockWriter(start: start, layout: layout)
            for first in stride(from: 0, to: PanelKind.columns, by: ColumnGroup.columns) {
                if let row = take(superblock, of: rows, inputs, first, count, into: group) {
                    return row
                }
                for index in 0..<ColumnGroup.columns {
                    let (block, column) = (group.column(index), first &+ index)
                    writer.writeFactors(block, column)
                    writeScales(block, column, to: writer)
                }
                group.turn(bufferedBytes / 4)
                writeWeights(group, first, to: writer)
            }
        }
        return nil
    }

    @inline(__always)
    private static func prefetchForWriting(_ place: UnsafeMutableRawPointer, _ byteCount: Int) {
        for offset in stride(from: 0, to: byteCount, by: 64) { prefetch_line(place + offset) }
    }

    /// Reads a superblock of the group's columns, which start at `first`.
    ///
    /// Columns from `count` on are cleared.
    ///
    /// - Returns: the first column with a non-finite scale, or nil if there is none.
    @inline(__always)
    private static func take(
        _ superblock: Int, of rows: UnsafeRawPointer, _ inputs: Int, _ first: Int, _ count: Int,
        into group: ColumnGroup
    ) -> Int? {
        let perSuperblock = layout.superblockLength / blockLength
        let perRow = inputs / blockLength
        let present = min(perSuperblock, perRow &- superblock &* perSuperblock)
        for index in 0..<ColumnGroup.columns {
            let (block, column) = (group.column(index), first &+ index)
            if present < perSuperblock || column >= count { block.clear() }
            guard column < count else { continue }
            let source =
                rows + (column &* perRow &+ superblock &* perSuperblock) &* blockBytes
            for index in 0..<present {
                take(source + index &* blockBytes, at: index, into: block)
            }
            guard block.isFinite || !refusesInfinity else { return column }
        }
        return nil
    }
}
