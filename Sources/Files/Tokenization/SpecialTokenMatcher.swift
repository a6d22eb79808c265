// SPDX-License-Identifier: Apache-2.0

/// A stretch of text between special tokens, or one of them.
enum Fragment: Equatable {
    case text(Range<Int>)
    case token(TokenID)
}

/// Finds special tokens, which are matched before all others: control tokens where a template may place them,
/// user-defined tokens everywhere.
///
/// Like llama.cpp, it matches the longest token first, from left to right, then the next longest in what is
/// left.
struct SpecialTokenMatcher: Sendable {
    private struct Match {
        let token: TokenID
        var range: Range<Int>
    }

    private let index: PieceIndex
    /// The lengths of the special tokens that start with each byte, to need few look-ups.
    private let lengths: [[Int]]  // [256]
    private let userDefined: Set<TokenID>
    /// The tokens that swallow the white space after them.
    private let stripping: Set<TokenID>

    init(_ vocabulary: Vocabulary) {
        let (kinds, pieces) = (vocabulary.kinds, vocabulary.pieces)
        func isSpecial(_ token: Int) -> Bool {
            [.control, .userDefined, .unknown].contains(kinds[token])
        }
        let special = kinds.indices.filter(isSpecial)
        index = PieceIndex(pieces, where: isSpecial)
        var lengths = [Set<Int>](repeating: [], count: 256)
        for token in special {
            lengths[Int(pieces[token][pieces[token].startIndex])].insert(pieces[token].count)
        }
        self.lengths = lengths.map(Array.init)
        userDefined = Set(special.filter { kinds[$0] == .userDefined }.map { TokenID($0) })
        let keepingSpace = ["<unk>", "<s>", "<|endoftext|>"].map { Array($0.utf8)[...] }
        stripping =
            vocabulary.stripsAfterSpecialTokens
            ? Set(special.filter { !keepingSpace.contains(pieces[$0]) }.map { TokenID($0) }) : []
    }

    /// Splits `text` at its special tokens.
    ///
    /// - Parameter controlRanges: Where control tokens may occur; ascending and disjoint.
    func fragments(of text: [UInt8], controlRanges: [Range<Int>]) -> [Fragment] {
        let matches = choose(occurrences(in: text, controlRanges: controlRanges), in: text)
        var fragments: [Fragment] = []
        var start = 0
        for match in matches {
            if start < match.range.lowerBound {
                fragments.append(.text(start..<match.range.lowerBound))
            }
            fragments.append(.token(match.token))
            start = match.range.upperBound
        }
        if start < text.count { fragments.append(.text(start..<text.count)) }
        return fragments
    }

    /// Every occurrence of a special token, including overlapping ones.
    private func occurrences(in text: [UInt8], controlRanges: [Range<Int>]) -> [Match] {
        var matches: [Match] = []
        var control = controlRanges[...]
        for start in text.indices {
            while let first = control.first, first.upperBound <= start { control.removeFirst() }
            for length in lengths[Int(text[start])] where start + length <= text.count {
                let range = start..<start + length
                guard let token = index.token(text[range]) else { continue }
                let mayBeControl = control.first.map {
                    $0.lowerBound <= start && range.upperBound <= $0.upperBound
                }
                if mayBeControl == true || userDefined.contains(token) {
                    matches.append(Match(token: token, range: range))
                }
            }
        }
        return matches
    }

    /// The occurrences that become tokens, from left to right.
    private func choose(_ occurrences: [Match], in text: [UInt8]) -> [Match] {
        guard !occurrences.isEmpty else { return [] }
        var isTaken = [Bool](repeating: false, count: text.count)
        var chosen: [Match] = []
        let longestFirst = occurrences.sorted {
            ($1.range.count, $0.token, $0.range.lowerBound)
                < ($0.range.count, $1.token, $1.range.lowerBound)
        }
        for var match in longestFirst {
            // Earlier matches are at least as long, so an overlapping one covers the first or the last byte.
            guard !isTaken[match.range.lowerBound], !isTaken[match.range.upperBound - 1] else {
                continue
            }
            if stripping.contains(match.token) {
                var end = match.range.upperBound
                while end < text.count, !isTaken[end], text[end].isASCIIWhiteSpace { end += 1 }
                match.range = match.range.lowerBound..<end
            }
            for index in match.range { isTaken[index] = true }
            chosen.append(match)
        }
        return chosen.sorted { $0.range.lowerBound < $1.range.lowerBound }
    }
}

extension UInt8 {
    /// Tab, line feed, vertical tab, form feed, carriage return and space.
    fileprivate var isASCIIWhiteSpace: Bool { self == 32 || (9...13).contains(self) }
}
