// SPDX-License-Identifier: Apache-2.0
import KernelInterface

/// Where 32 columns of a superblock keep their numbers; `PanelKind` tells the layouts.
struct SuperblockWriter {
    let kind: PanelKind
    let start: UnsafeMutableRawPointer

    /// Writes the numbers of one column.
    func write(_ block: ColumnBlock, column: Int) {
        switch kind {
        case .q4_0, .iq4_nl, .mxfp4:
            writeHalves(block.factors, 2, at: 0, column)
            writeNibbles(block, 64, at: 128, column)
        case .q4_1:
            writeHalves(block.factors, 2, at: 0, column)
            writeHalves(block.minimumFactors, 2, at: 128, column)
            writeNibbles(block, 64, at: 256, column)
        case .q5_0:
            writeHalves(block.factors, 2, at: 0, column)
            writeFiveBits(block, 64, at: 128, column)
        case .q5_1:
            writeHalves(block.factors, 2, at: 0, column)
            writeHalves(block.minimumFactors, 2, at: 128, column)
            writeFiveBits(block, 64, at: 256, column)
        case .q8_0:
            writeHalves(block.factors, 2, at: 0, column)
            for quad in 0..<16 { writeWord(block.quad(quad), line: quad, at: 128, column) }
        case .q4_K:
            writeSixBitScales(block, column)
            writeNibbles(block, 256, at: 512, column)
        case .q5_K:
            writeSixBitScales(block, column)
            writeFiveBits(block, 256, at: 512, column)
        case .q6_K: writeQ6_K(block, column)
        case .q2_K: writeQ2_K(block, column)
        case .q3_K: writeQ3_K(block, column)
        case .iq4_xs: writeIQ4_XS(block, column)
        case .f32, .f16, .bf16: preconditionFailure("\(kind) is not quantised")
        }
    }

    private func writeSixBitScales(_ block: ColumnBlock, _ column: Int) {
        writeHalves(block.factors, 1, at: 0, column)
        writeHalves(block.minimumFactors, 1, at: 64, column)
        var (lowScales, lowMinima, high) = (UInt32(0), UInt32(0), UInt32(0))
        for group in 0..<8 {
            let (scale, minimum) = (UInt32(block.scales[group]), UInt32(block.minima[group]))
            // Minima go in pairs of 16-bit halves; high bits of scales to bytes 1 and 3.
            let half = UInt32(group % 2 * 16)
            lowScales |= (scale & 15) << UInt32(4 * group)
            lowMinima |= (minimum & 15) << (half + UInt32(group / 2 * 4))
            high |= (minimum >> 4) << (half + UInt32(group / 2 * 2))
            high |= (scale >> 4) << UInt32(8 + group % 4 * 2 + group / 4 * 16)
        }
        for (line, word) in [lowScales, lowMinima, high].enumerated() {
            writeWord(word, line: line, at: 128, column)
        }
    }

    private func writeQ6_K(_ block: ColumnBlock, _ column: Int) {
        writeHalves(block.factors, 1, at: 0, column)
        writeByteScales(block, at: 128, column)
        // A line of upper bits before every two lines of nibbles.
        writeNibbles(block, 256, at: 640, column, afterEveryBitLine: 2)
        let upper: UInt32 = 0x3030_3030
        for line in 0..<16 {
            // Quads 0, 1, 2 and 3 of the line have their upper bits at bits 4, 6, 2 and 0.
            let first = block.quad(4 * line) & upper
            let second = (block.quad(4 * line + 1) & upper) << 2
            let third = (block.quad(4 * line + 2) & upper) >> 2
            let fourth = (block.quad(4 * line + 3) & upper) >> 4
            writeWord(first | second | third | fourth, line: 3 * line, at: 640, column)
        }
    }

    private func writeQ2_K(_ block: ColumnBlock, _ column: Int) {
        writeHalves(block.factors, 1, at: 0, column)
        writeHalves(block.minimumFactors, 1, at: 64, column)
        for line in 0..<2 {
            var (scales, minima) = (UInt32(0), UInt32(0))
            for group in 0..<8 {
                scales |= UInt32(block.scales[8 * line + group]) << UInt32(4 * group)
                minima |=
                    UInt32(block.minima[8 * line + group])
                    << UInt32(group % 2 * 16 + group / 2 * 4)
            }
            writeWord(scales, line: line, at: 128, column)
            writeWord(minima, line: line, at: 384, column)
        }
        for line in 0..<16 {
            var word: UInt32 = 0
            for quad in 0..<4 {
                word |= block.quad(4 &* line &+ quad) &<< UInt32(truncatingIfNeeded: 2 &* quad)
            }
            writeWord(word, line: line, at: 640, column)
        }
    }

    private func writeQ3_K(_ block: ColumnBlock, _ column: Int) {
        writeHalves(block.factors, 1, at: 0, column)
        writeByteScales(block, at: 64, column)
        for pair in 0..<8 {
            var shared: UInt32 = 0
            for half in 0..<2 {
                let first = 8 &* pair &+ 4 &* half
                let (third, fourth) = (block.quad(first &+ 2), block.quad(first &+ 3))
                let own =
                    block.quad(first) | block.quad(first &+ 1) &<< 3
                    | (fourth & 0x0606_0606) &<< 5
                writeWord(own, line: 3 &* pair &+ half &+ 1, at: 576, column)
                let nibbles = third | (fourth & 0x0101_0101) &<< 3
                shared |= nibbles &<< UInt32(truncatingIfNeeded: 4 &* half)
            }
            writeWord(shared, line: 3 &* pair, at: 576, column)
        }
    }

    private func writeIQ4_XS(_ block: ColumnBlock, _ column: Int) {
        writeHalves(block.factors, 1, at: 0, column)
        var (low, high) = (UInt32(0), UInt16(0))
        for group in 0..<8 {
            low |= UInt32(block.scales[group] & 15) << UInt32(4 * group)
            high |= UInt16(block.scales[group] >> 4) << UInt16(2 * group)
        }
        start.storeBytes(of: high, toByteOffset: 64 + 2 * column, as: UInt16.self)
        writeWord(low, line: 0, at: 128, column)
        writeNibbles(block, 256, at: 256, column)
    }

    /// Numbers of 16 bits, each in half a line.
    private func writeHalves(
        _ halves: UnsafeMutablePointer<UInt16>, _ count: Int, at offset: Int, _ column: Int
    ) {
        for index in 0..<count {
            start.storeBytes(
                of: halves[index], toByteOffset: offset + 64 * index + 2 * column, as: UInt16.self)
        }
    }

    /// The scales of 16 blocks, each in a quarter of a line.
    private func writeByteScales(_ block: ColumnBlock, at offset: Int, _ column: Int) {
        for group in 0..<16 {
            start.storeBytes(
                of: block.scales[group], toByteOffset: offset + 32 * group + column, as: UInt8.self)
        }
    }

    /// Two quads in each word.
    ///
    /// - Parameter afterEveryBitLine: nibble lines that follow each line of other bits; nil for no such.
    private func writeNibbles(
        _ block: ColumnBlock, _ count: Int, at offset: Int, _ column: Int,
        afterEveryBitLine group: Int? = nil
    ) {
        let mask: UInt32 = 0x0F0F_0F0F
        for line in 0..<(count / 8) {
            let word = block.quad(2 &* line) & mask | (block.quad(2 &* line &+ 1) & mask) &<< 4
            let place = group.map { line &+ line / $0 &+ 1 } ?? line
            writeWord(word, line: place, at: offset, column)
        }
    }

    /// A line of fifth bits before every four lines of nibbles: bit q of byte b is the fifth bit of weight b of quad q in a block of 32.
    private func writeFiveBits(_ block: ColumnBlock, _ count: Int, at offset: Int, _ column: Int) {
        writeNibbles(block, count, at: offset, column, afterEveryBitLine: 4)
        for line in 0..<(count / 32) {
            var word: UInt32 = 0
            for quad in 0..<8 {
                let bits = block.quad(8 &* line &+ quad) &>> 4 & 0x0101_0101
                word |= bits &<< UInt32(truncatingIfNeeded: quad)
            }
            writeWord(word, line: 5 &* line, at: offset, column)
        }
    }

    @inline(__always)
    private func writeWord(_ word: UInt32, line: Int, at offset: Int, _ column: Int) {
        start.storeBytes(
            of: word.littleEndian, toByteOffset: offset &+ 128 &* line &+ 4 &* column,
            as: UInt32.self)
    }
}

extension ColumnBlock {
    /// Weights 4q to 4q + 3 as the bytes of a word.
    @inline(__always)
    func quad(_ index: Int) -> UInt32 {
        UInt32(
            littleEndian: UnsafeRawPointer(weights).loadUnaligned(
                fromByteOffset: 4 &* index, as: UInt32.self))
    }
}
