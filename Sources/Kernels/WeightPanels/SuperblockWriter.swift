// SPDX-License-Identifier: Apache-2.0
import CVectorOps

/// Where 32 columns of a superblock keep their numbers; `PanelKind` tells the layouts.
struct SuperblockWriter {
    let start: UnsafeMutableRawPointer

    /// Pairs of groups of weights, which are the low and the high nibbles of `words` words each: two quads
    /// of a group in each word.
    @inline(__always)
    func writePairs(
        _ group: ColumnGroup, _ pairs: Int, of words: Int, at offset: Int, _ column: Int
    ) {
        let (low, high) = (
            WordVector(repeating: 0x0F0F_0F0F), WordVector(repeating: 0xF0F0_F0F0)
        )
        for pair in 0..<pairs {
            for index in 0..<(words / 2) {
                let first = group.word(pair &* words &+ 2 &* index)
                let second = group.word(pair &* words &+ 2 &* index &+ 1)
                let line = pair &* words &+ index
                writeWords(first & low | (second & low) &<< 4, line: line, at: offset, column)
                writeWords(
                    first &>> 4 & low | second & high, line: line &+ words / 2, at: offset, column)
            }
        }
    }

    /// Two quads in each word.
    ///
    /// - Parameter afterEveryBitLine: nibble lines that follow each line of other bits; nil for no such.
    @inline(__always)
    func writeNibbles(
        _ group: ColumnGroup, _ count: Int, at offset: Int, _ column: Int,
        afterEveryBitLine lines: Int? = nil
    ) {
        let mask = WordVector(repeating: 0x0F0F_0F0F)
        for line in 0..<(count / 8) {
            let words =
                group.word(2 &* line) & mask | (group.word(2 &* line &+ 1) & mask) &<< 4
            let place = lines.map { line &+ line / $0 &+ 1 } ?? line
            writeWords(words, line: place, at: offset, column)
        }
    }

    /// A line of fifth bits before every four lines of nibbles: bit q of byte b is the fifth bit of weight b of quad q in a block of 32.
    @inline(__always)
    func writeFiveBits(_ group: ColumnGroup, _ count: Int, at offset: Int, _ column: Int) {
        writeNibbles(group, count, at: offset, column, afterEveryBitLine: 4)
        for line in 0..<(count / 32) {
            var words = WordVector(repeating: 0)
            for quad in 0..<8 {
                let bits =
                    group.word(8 &* line &+ quad) &>> 4 & WordVector(repeating: 0x0101_0101)
                words |= bits &<< WordVector(repeating: UInt32(truncatingIfNeeded: quad))
            }
            writeWords(words, line: 5 &* line, at: offset, column)
        }
    }

    /// A line of upper bits before every two lines of nibbles.
    @inline(__always)
    func writeSixBits(_ group: ColumnGroup, at offset: Int, _ column: Int) {
        writeNibbles(group, 256, at: offset, column, afterEveryBitLine: 2)
        let upper = WordVector(repeating: 0x3030_3030)
        for line in 0..<16 {
            // Quads 0, 1, 2 and 3 of the line have their upper bits at bits 4, 6, 2 and 0.
            let first = group.word(4 &* line) & upper
            let second = (group.word(4 &* line &+ 1) & upper) &<< 2
            let third = (group.word(4 &* line &+ 2) & upper) &>> 2
            let fourth = (group.word(4 &* line &+ 3) & upper) &>> 4
            writeWords(first | second | third | fourth, line: 3 &* line, at: offset, column)
        }
    }

    /// Two blocks of 16 in three lines; `Q3_KPanel` tells where the bits are.
    @inline(__always)
    func writeThreeBits(_ group: ColumnGroup, at offset: Int, _ column: Int) {
        let lowest = WordVector(repeating: 0x0101_0101)
        for pair in 0..<8 {
            var shared = WordVector(repeating: 0)
            for half in 0..<2 {
                let first = 8 &* pair &+ 4 &* half
                let (third, fourth) = (group.word(first &+ 2), group.word(first &+ 3))
                let upper = fourth & WordVector(repeating: 0x0606_0606)
                let own = group.word(first) | group.word(first &+ 1) &<< 3 | upper &<< 5
                writeWords(own, line: 3 &* pair &+ half &+ 1, at: offset, column)
                let nibbles = third | (fourth & lowest) &<< 3
                shared |= half == 0 ? nibbles : nibbles &<< 4
            }
            writeWords(shared, line: 3 &* pair, at: offset, column)
        }
    }

    /// Four quads in each word.
    @inline(__always)
    func writeBitPairs(_ group: ColumnGroup, at offset: Int, _ column: Int) {
        for line in 0..<16 {
            let first = group.word(4 &* line)
            let second = group.word(4 &* line &+ 1) &<< 2
            let third = group.word(4 &* line &+ 2) &<< 4
            let fourth = group.word(4 &* line &+ 3) &<< 6
            writeWords(first | second | third | fourth, line: line, at: offset, column)
        }
    }

    @inline(__always)
    func writeWords(_ words: WordVector, line: Int, at offset: Int, _ column: Int) {
        start.storeBytes(
            of: words, toByteOffset: offset &+ 128 &* line &+ 4 &* column, as: WordVector.self)
    }
}
