// SPDX-License-Identifier: Apache-2.0
import HeapModule

/// A range of text that has been merged into one symbol.
struct Symbol {
    /// Where it is in the text; empty once it is merged into the one before.
    var range: Range<Int>
    /// The token with this text, if there is one.
    var token: TokenID?
    /// The neighbours' positions in the array, -1 at either end.
    var previous: Int
    var next: Int
}

/// The result of merging two adjacent symbols.
struct Merge {
    /// Higher goes first; of equals, the leftmost.
    let priority: Double
    let token: TokenID
}

/// Merges adjacent symbols, always the best pair first, until no pair can be merged.
///
/// This replays the training of a byte-pair vocabulary in O(n log n). A heap holds the pairs; a pair whose
/// symbols have changed in the meantime is skipped.
///
/// - Parameters:
///   - symbols: Ranges of a text, in order.
///   - candidate: What two adjacent symbols merge into, or nil.
/// - Returns: The symbols that are left, in order.
func mergePairs(
    _ symbols: [(range: Range<Int>, token: TokenID?)],
    candidate: (Symbol, Symbol) -> Merge?
) -> [Symbol] {
    var symbols = symbols.enumerated().map { index, symbol in
        Symbol(
            range: symbol.range, token: symbol.token, previous: index - 1,
            next: index + 1 < symbols.count ? index + 1 : -1)
    }
    var queue = Heap<Bigram>()
    func enqueue(_ left: Int, _ right: Int) {
        guard left >= 0, right >= 0 else { return }
        guard let merge = candidate(symbols[left], symbols[right]) else { return }
        let length = symbols[left].range.count + symbols[right].range.count
        queue.insert(Bigram(merge: merge, left: left, right: right, length: length))
    }
    for right in symbols.indices.dropFirst() { enqueue(right - 1, right) }

    while let bigram = queue.popMax() {
        let (left, right) = (symbols[bigram.left], symbols[bigram.right])
        guard !left.range.isEmpty, !right.range.isEmpty,
            left.range.count + right.range.count == bigram.length
        else { continue }
        symbols[bigram.left].range = left.range.lowerBound..<right.range.upperBound
        symbols[bigram.left].token = bigram.merge.token
        symbols[bigram.left].next = right.next
        symbols[bigram.right].range = right.range.upperBound..<right.range.upperBound
        if right.next >= 0 { symbols[right.next].previous = bigram.left }
        enqueue(left.previous, bigram.left)
        enqueue(bigram.left, right.next)
    }
    return symbols.filter { !$0.range.isEmpty }
}

/// A pair that waits to be merged.
private struct Bigram: Comparable {
    let merge: Merge
    let left: Int
    let right: Int
    /// The length of both in bytes.
    ///
    /// If it differs when the pair is due, one of the symbols has changed.
    let length: Int

    static func < (one: Bigram, other: Bigram) -> Bool {
        one.merge.priority != other.merge.priority
            ? one.merge.priority < other.merge.priority : one.left > other.left
    }

    static func == (one: Bigram, other: Bigram) -> Bool {
        one.merge.priority == other.merge.priority && one.left == other.left
    }
}
