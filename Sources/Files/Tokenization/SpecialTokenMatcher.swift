// SPDX-License-Identifier: Apache-2.0

/// A stretch of text between special tokens, or one of them.
enum Fragment: Equatable {
    case text(Range<Int>)
    case token(TokenID)
}

/// Finds the tokens that are matched as whole texts before anything else: control tokens where a
/// template may place them, user-defined ones everywhere.
///
/// The longest token takes its places first, from left to right, then the next longest takes what
/// is left, as llama.cpp does.
struct SpecialTokenMatcher: Sendable {
    private struct Candidate {
        let token: TokenID
        let text: [UInt8]
        let isControl: Bool
        let stripsAfter: Bool
    }

    private struct Match {
        let candidate: Int
        var range: Range<Int>
    }

    private let candidates: [Candidate]  // longest first
    private let candidatesByFirstByte: [[Int]]  // [256]

    init(_ vocabulary: Vocabulary) {
        let special: Set<TokenKind> = [.control, .userDefined, .unknown]
        let keepingSpace = ["<unk>", "<s>", "<|endoftext|>"].map { Array($0.utf8) }
        candidates = vocabulary.kinds.indices
            .filter { special.contains(vocabulary.kinds[$0]) }
            .map { token in
                let text = Array(vocabulary.pieces[token])
                return Candidate(
                    token: TokenID(token), text: text,
                    isControl: vocabulary.kinds[token] != .userDefined,
                    stripsAfter: vocabulary.stripsAfterSpecialTokens
                        && !keepingSpace.contains(text))
            }
            .sorted { ($1.text.count, $0.token) < ($0.text.count, $1.token) }
        var byFirstByte = [[Int]](repeating: [], count: 256)
        for (index, candidate) in candidates.enumerated() {
            byFirstByte[Int(candidate.text[0])].append(index)
        }
        candidatesByFirstByte = byFirstByte
    }

    /// Splits `text` at its special tokens.
    ///
    /// - Parameter controlRanges: Where control tokens may stand; ascending, apart.
    func fragments(of text: [UInt8], controlRanges: [Range<Int>]) -> [Fragment] {
        let matches = choose(occurrences(in: text, controlRanges: controlRanges), in: text)
        var fragments: [Fragment] = []
        var start = 0
        for match in matches {
            if start < match.range.lowerBound {
                fragments.append(.text(start..<match.range.lowerBound))
            }
            fragments.append(.token(candidates[match.candidate].token))
            start = match.range.upperBound
        }
        if start < text.count { fragments.append(.text(start..<text.count)) }
        return fragments
    }

    /// Every place where a candidate could stand, overlapping ones included.
    private func occurrences(in text: [UInt8], controlRanges: [Range<Int>]) -> [Match] {
        var matches: [Match] = []
        var control = controlRanges[...]
        for start in text.indices {
            while let first = control.first, first.upperBound <= start { control.removeFirst() }
            for index in candidatesByFirstByte[Int(text[start])] {
                let candidate = candidates[index]
                let range = start..<start + candidate.text.count
                guard range.upperBound <= text.count,
                    text[range].elementsEqual(candidate.text)
                else { continue }
                let isAllowed = control.first.map {
                    $0.lowerBound <= start && range.upperBound <= $0.upperBound
                }
                if !candidate.isControl || isAllowed == true {
                    matches.append(Match(candidate: index, range: range))
                }
            }
        }
        return matches
    }

    /// Those occurrences that get their place, from left to right.
    private func choose(_ occurrences: [Match], in text: [UInt8]) -> [Match] {
        guard !occurrences.isEmpty else { return [] }
        var isTaken = [Bool](repeating: false, count: text.count)
        var chosen: [Match] = []
        let byLength = occurrences.sorted {
            ($0.candidate, $0.range.lowerBound) < ($1.candidate, $1.range.lowerBound)
        }
        for var match in byLength {
            // Taken stretches are no shorter, so one that overlaps covers the first or last byte.
            guard !isTaken[match.range.lowerBound], !isTaken[match.range.upperBound - 1] else {
                continue
            }
            if candidates[match.candidate].stripsAfter {
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
