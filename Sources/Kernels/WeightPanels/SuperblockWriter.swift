// SPDX-License-Identifier: Apache-2.0
import CVectorOps
import KernelInterface

/// Writes the weights of one superblock of 32 columns, a `ColumnGroup` at a time.
struct SuperblockWriter {
    let start: UnsafeMutableRawPointer
    let layout: PanelLayout

    /// Pairs of groups of weights: the low and the high nibbles of `words` words.
    ///
    /// Each word of a line gets two quads of one group.
    @inline(__always)
    func writePairs(_ group: ColumnGroup, of words: Int, _ column: Int) {
        let (low, high) = (
            WordVector(repeating: 0x0F0F_0F0F), WordVector(repeating: 0xF0F0_F0F0)
        )
        for pair in 0..<(layout.superblockLength / (8 &* words)) {
            for index in 0..<(words / 2) {
                let first = group.word(pair &* words &+ 2 &* index)
                let second = group.word(pair &* words &+ 2 &* index &+ 1)
                let line = pair &* words &+ index
                writeWords(first & low | (second & low) &<< 4, at: layout.line(line), column)
                writeWords(
                    first &>> 4 & low | second & high, at: layout.line(line &+ words / 2), column)
            }
        }
    }

    /// Two quads in each word.
    @inline(__always)
    func writeNibbles(_ group: ColumnGroup, _ column: Int) {
        let mask = WordVector(repeating: 0x0F0F_0F0F)
        for line in 0..<(layout.superblockLength / 8) {
            let words =
                group.word(2 &* line) & mask | (group.word(2 &* line &+ 1) & mask) &<< 4
            writeWords(words, at: layout.line(line), column)
        }
    }

    /// Nibbles, and a shared line: bit q of its byte b is the fifth bit of weight b of quad q in the run.
    @inline(__always)
    func writeFiveBits(_ group: ColumnGroup, _ column: Int) {
        writeNibbles(group, column)
        for run in 0..<layout.runs {
            writeWords(
                bitLine(group, run: run, bit: 4), at: layout.sharedLine(run: run), column)
        }
    }

    /// Eight quads in each word.
    @inline(__always)
    func writeBits(_ group: ColumnGroup, _ column: Int) {
        for run in 0..<layout.runs {
            writeWords(bitLine(group, run: run, bit: 0), at: layout.line(run), column)
        }
    }

    /// One bit of every weight of 32: bit q of a word's byte b is that of weight b of quad q.
    @inline(__always)
    private func bitLine(_ group: ColumnGroup, run: Int, bit: UInt32) -> WordVector {
        var words = WordVector(repeating: 0)
        for quad in 0..<8 {
            let bits =
                group.word(8 &* run &+ quad) &>> WordVector(repeating: bit)
                & WordVector(repeating: 0x0101_0101)
            words |= bits &<< WordVector(repeating: UInt32(truncatingIfNeeded: quad))
        }
        return words
    }

    /// A line of bits, one for each pair of quads: whether an eighth is added to its weights.
    @inline(__always)
    func writeEighths(_ group: ColumnGroup, _ column: Int) {
        var words = WordVector(repeating: 0)
        for pair in 0..<32 {
            // Bit 2 of a code says that it is subtracted.
            let isSubtracted = group.word(2 &* pair) &>> 2 & WordVector(repeating: 1)
            let isAdded = isSubtracted ^ WordVector(repeating: 1)
            words |= isAdded &<< WordVector(repeating: UInt32(truncatingIfNeeded: pair))
        }
        writeWords(words, at: layout.eighths, column)
    }

    /// Nibbles, and a shared line of upper bits.
    @inline(__always)
    func writeSixBits(_ group: ColumnGroup, _ column: Int) {
        writeNibbles(group, column)
        let upper = WordVector(repeating: 0x3030_3030)
        for run in 0..<layout.runs {
            // Quads 0, 1, 2 and 3 of the run have their upper bits at bits 4, 6, 2 and 0.
            let first = group.word(4 &* run) & upper
            let second = (group.word(4 &* run &+ 1) & upper) &<< 2
            let third = (group.word(4 &* run &+ 2) & upper) &>> 2
            let fourth = (group.word(4 &* run &+ 3) & upper) &>> 4
            writeWords(
                first | second | third | fourth, at: layout.sharedLine(run: run), column)
        }
    }

    /// Two blocks of 16 in three lines, whose bits `ThreeBitPanel` describes.
    @inline(__always)
    func writeThreeBits(_ group: ColumnGroup, _ column: Int) {
        let lowest = WordVector(repeating: 0x0101_0101)
        for run in 0..<layout.runs {
            var shared = WordVector(repeating: 0)
            for half in 0..<2 {
                let first = 8 &* run &+ 4 &* half
                let (third, fourth) = (group.word(first &+ 2), group.word(first &+ 3))
                let upper = fourth & WordVector(repeating: 0x0606_0606)
                let own = group.word(first) | group.word(first &+ 1) &<< 3 | upper &<< 5
                writeWords(own, at: layout.line(half, run: run), column)
                let nibbles = third | (fourth & lowest) &<< 3
                shared |= half == 0 ? nibbles : nibbles &<< 4
            }
            writeWords(shared, at: layout.sharedLine(run: run), column)
        }
    }

    /// The lower two bits of four quads in each word.
    @inline(__always)
    func writeBitPairs(_ group: ColumnGroup, _ column: Int) {
        let mask = WordVector(repeating: 0x0303_0303)
        for run in 0..<layout.runs {
            let first = group.word(4 &* run) & mask
            let second = (group.word(4 &* run &+ 1) & mask) &<< 2
            let third = (group.word(4 &* run &+ 2) & mask) &<< 4
            let fourth = (group.word(4 &* run &+ 3) & mask) &<< 6
            writeWords(first | second | third | fourth, at: layout.line(run), column)
        }
    }

    @inline(__always)
    func writeWords(_ words: WordVector, at offset: Int, _ column: Int) {
        start.storeBytes(of: words, toByteOffset: offset &+ 4 &* column, as: WordVector.self)
    }
}
