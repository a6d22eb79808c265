// SPDX-License-Identifier: Apache-2.0
extension SuperblockWriter {
    /// Sixteen signed bytes, each in a quarter of a line.
    @inline(__always)
    func writeByteScales(_ block: ColumnBlock, at offset: Int, _ column: Int) {
        for group in 0..<16 {
            start.storeBytes(
                of: block.scales[group], toByteOffset: offset &+ 32 &* group &+ column,
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
        writeWord(lowScales, line: 0, at: 128, column)
        writeWord(lowMinima, line: 1, at: 128, column)
        writeWord(high, line: 2, at: 128, column)
    }

    @inline(__always)
    func writeFourBitScales(_ block: ColumnBlock, _ column: Int) {
        for line in 0..<2 {
            var (scales, minima) = (UInt32(0), UInt32(0))
            for group in 0..<8 {
                scales |=
                    UInt32(block.scales[8 &* line &+ group])
                    &<< UInt32(truncatingIfNeeded: 4 &* group)
                minima |=
                    UInt32(block.minima[8 &* line &+ group])
                    &<< UInt32(truncatingIfNeeded: group % 2 &* 16 &+ group / 2 &* 4)
            }
            writeWord(scales, line: line, at: 128, column)
            writeWord(minima, line: line, at: 384, column)
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
        start.storeBytes(of: high, toByteOffset: 64 &+ 2 &* column, as: UInt16.self)
        writeWord(low, line: 0, at: 128, column)
    }

    /// Numbers of 16 bits, each in half a line.
    @inline(__always)
    func writeHalves(
        _ halves: UnsafeMutablePointer<UInt16>, _ count: Int, at offset: Int, _ column: Int
    ) {
        for index in 0..<count {
            start.storeBytes(
                of: halves[index], toByteOffset: offset &+ 64 &* index &+ 2 &* column,
                as: UInt16.self)
        }
    }

    @inline(__always)
    private func writeWord(_ word: UInt32, line: Int, at offset: Int, _ column: Int) {
        start.storeBytes(
            of: word.littleEndian, toByteOffset: offset &+ 128 &* line &+ 4 &* column,
            as: UInt32.self)
    }
}
