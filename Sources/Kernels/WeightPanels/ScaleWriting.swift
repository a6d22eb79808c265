// SPDX-License-Identifier: Apache-2.0
import KernelInterface

/// Writes the header of a superblock, one column at a time.
extension SuperblockWriter {
    /// Writes the factors of scales and, if the layout has them, of minima.
    @inline(__always)
    func writeFactors(_ block: ColumnBlock, _ column: Int) {
        for index in 0..<layout.factorCount {
            writeHalf(block.factors[index], at: layout.factor(index), column)
            guard layout.hasMinima else { continue }
            writeHalf(block.minimumFactors[index], at: layout.minimumFactor(index), column)
        }
    }

    /// Bytes, each in a quarter of a line.
    @inline(__always)
    func writeByteScales(_ block: ColumnBlock, _ column: Int) {
        for group in 0..<layout.blocks {
            start.storeBytes(
                of: block.scales[group], toByteOffset: layout.byteScale(group) &+ column,
                as: UInt8.self)
        }
    }

    @inline(__always)
    func writeSixBitScales(_ block: ColumnBlock, _ column: Int) {
        var (lowScales, lowMinima, high) = (UInt32(0), UInt32(0), UInt32(0))
        for group in 0..<8 {
            let (scale, minimum) = (UInt32(block.scales[group]), UInt32(block.minima[group]))
            // Minima go in pairs of 16-bit halves; high bits of scales to bytes 1 and 3.
            let half = UInt32(truncatingIfNeeded: group % 2 &* 16)
            let pair = UInt32(truncatingIfNeeded: group / 2)
            let place = UInt32(truncatingIfNeeded: 8 &+ group % 4 &* 2 &+ group / 4 &* 16)
            lowScales |= (scale & 15) &<< UInt32(truncatingIfNeeded: 4 &* group)
            lowMinima |= (minimum & 15) &<< (half &+ 4 &* pair)
            high |= (minimum &>> 4) &<< (half &+ 2 &* pair)
            high |= (scale &>> 4) &<< place
        }
        writeWord(lowScales, at: layout.scales, column)
        writeWord(lowMinima, at: layout.minima, column)
        writeWord(high, at: layout.upperScaleBits, column)
    }

    /// Eight scales in each word.
    @inline(__always)
    func writeFourBitScales(_ block: ColumnBlock, _ column: Int) {
        writeFourBits(block.scales, at: layout.scales, column) { group in 4 &* group }
    }

    /// Eight minima in each word, in pairs of 16-bit halves.
    @inline(__always)
    func writeFourBitMinima(_ block: ColumnBlock, _ column: Int) {
        writeFourBits(block.minima, at: layout.minima, column) { group in
            group % 2 &* 16 &+ group / 2 &* 4
        }
    }

    /// Eight numbers in each word, each from the bit on that `place` says.
    @inline(__always)
    private func writeFourBits(
        _ numbers: UnsafePointer<UInt8>, at offset: Int, _ column: Int, place: (Int) -> Int
    ) {
        for line in 0..<(layout.blocks / 8) {
            var word = UInt32(0)
            for group in 0..<8 {
                word |=
                    UInt32(numbers[8 &* line &+ group])
                    &<< UInt32(truncatingIfNeeded: place(group))
            }
            writeWord(word, at: offset &+ PanelLayout.line &* line, column)
        }
    }

    @inline(__always)
    func writeSplitScales(_ block: ColumnBlock, _ column: Int) {
        var (low, high) = (UInt32(0), UInt16(0))
        for group in 0..<8 {
            low |=
                UInt32(block.scales[group] & 15) &<< UInt32(truncatingIfNeeded: 4 &* group)
            high |=
                UInt16(block.scales[group] &>> 4) &<< UInt16(truncatingIfNeeded: 2 &* group)
        }
        writeHalf(high, at: layout.upperScaleBits, column)
        writeWord(low, at: layout.scales, column)
    }

    /// Sixteen bits, in half a line.
    @inline(__always)
    private func writeHalf(_ half: UInt16, at offset: Int, _ column: Int) {
        start.storeBytes(of: half, toByteOffset: offset &+ 2 &* column, as: UInt16.self)
    }

    @inline(__always)
    private func writeWord(_ word: UInt32, at offset: Int, _ column: Int) {
        start.storeBytes(
            of: word.littleEndian, toByteOffset: offset &+ 4 &* column, as: UInt32.self)
    }
}
