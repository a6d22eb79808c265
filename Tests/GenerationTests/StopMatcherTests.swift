// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Generation

@Suite struct StopMatcherTests {
    /// What comes out for each piece, and at the end.
    private func pass(_ pieces: [String], stops: [String]) -> (out: [String], stopped: Bool) {
        var matcher = StopMatcher(stops)
        var out = pieces.map { matcher.append($0) }
        out.append(matcher.finish())
        return (out, matcher.hasStopped)
    }

    @Test func withoutStopsEverythingPassesAtOnce() {
        for stops in [[], [""], ["", ""]] {
            let (out, stopped) = pass(["a", "", "bé"], stops: stops)
            #expect(out == ["a", "", "bé", ""] && !stopped)
        }
    }

    @Test func aStopWithinOnePieceCutsIt() {
        let (out, stopped) = pass(["one STOP two", "three"], stops: ["STOP"])
        #expect(out == ["one ", "", ""] && stopped)
        #expect(pass(["STOP"], stops: ["STOP"]).out == ["", ""])
    }

    @Test func aStopOverManyPiecesIsHeldBack() {
        let (out, stopped) = pass(["one S", "T", "O", "P two"], stops: ["STOP"])
        #expect(out == ["one ", "", "", "", ""] && stopped)
    }

    @Test func whatTurnsOutHarmlessIsReleased() {
        let (out, stopped) = pass(["one S", "T", "OY", " S"], stops: ["STOP"])
        #expect(out == ["one ", "", "STOY", " ", "S"] && !stopped)
    }

    @Test func aStartWithinAStartIsNotMissed() {
        #expect(pass(["a", "a", "a", "b"], stops: ["aab"]).out == ["", "", "a", "", ""])
        #expect(pass(["abab", "ac"], stops: ["abac"]).out == ["ab", "", ""])
        #expect(pass(["##", "#", "x"], stops: ["##x"]).out == ["", "#", "", ""])
    }

    @Test func theEarliestOfSeveralStopsEnds() {
        #expect(pass(["x two one"], stops: ["one", "two"]).out == ["x ", ""])
        #expect(pass(["x o", "n", "e"], stops: ["none", "one", "ne"]).out == ["x ", "", "", ""])
        #expect(pass(["abc"], stops: ["c", "abcd", "b"]).out == ["a", ""])
        // The longest possible start is held.
        #expect(pass(["a<", "<b"], stops: ["<x", "a<<c"]).out == ["", "a<<b", ""])
    }

    @Test func charactersAreNeverCut() {
        // é, è and ê share their first byte; 日 and 旦 the first two.
        let (out, stopped) = pass(["caf", "é", "è", "日", "旦"], stops: ["ê", "日旧"])
        #expect(out == ["caf", "é", "è", "", "日旦", ""] && !stopped)
        #expect(pass(["x日", "旧y"], stops: ["日旧"]).out == ["x", "", ""])
    }

    @Test func canonicallyEqualTextsAreDifferent() {
        // é as one scalar, and as e with an accent.
        let (out, stopped) = pass(["e\u{301}"], stops: ["\u{E9}"])
        #expect(out.joined().utf8.elementsEqual("e\u{301}".utf8) && !stopped)
        #expect(pass(["e\u{301}"], stops: ["e"]).stopped)
    }

    /// However a text is cut into pieces, the same comes out: all before the first stop.
    @Test(arguments: 0..<200)
    func cuttingDoesNotMatter(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        func word(_ length: Int) -> String {
            String((0..<length).map { _ in "abé".randomElement(using: &random) ?? "a" })
        }
        let stops = (0..<3).map { _ in word(.random(in: 2...4, using: &random)) }
        let text = word(40)
        let firstStop = stops.compactMap { text.firstRange(of: $0)?.lowerBound }.min()
        var pieces: [String] = []
        var rest = text[...]
        while !rest.isEmpty {
            let length = Int.random(in: 1...5, using: &random)
            pieces.append(String(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        var matcher = StopMatcher(stops)
        let longest = stops.map(\.utf8.count).max() ?? 0
        var (given, out) = ("", "")
        for piece in pieces {
            given += piece
            out += matcher.append(piece)
            #expect(matcher.hasStopped || given.utf8.count - out.utf8.count < longest)
        }
        out += matcher.finish()
        #expect(out == text[..<(firstStop ?? text.endIndex)])
        #expect(matcher.hasStopped == (firstStop != nil))
    }
}
