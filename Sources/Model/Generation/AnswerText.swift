// SPDX-License-Identifier: Apache-2.0
import Tokenization

/// The text of an answer as its tokens come: detokenized, cut at stop strings, passed on in pieces.
struct AnswerText {
    private var detokenizer: StreamingDetokenizer
    private var stops: StopMatcher
    private var text = ""
    private let onText: (String) -> Void

    init(_ tokenizer: Tokenizer, stops: [String], _ onText: @escaping (String) -> Void) {
        detokenizer = StreamingDetokenizer(tokenizer: tokenizer, trimsLeadingSpace: true)
        self.stops = StopMatcher(stops)
        self.onText = onText
    }

    /// Whether a stop string has come.
    var hasStopped: Bool { stops.hasStopped }

    mutating func append(_ token: TokenID) {
        pass(stops.append(detokenizer.append(token)))
    }

    /// Passes on what was held back; returns the whole text.
    mutating func finish() -> String {
        pass(stops.append(detokenizer.finish()))
        pass(stops.finish())
        return text
    }

    private mutating func pass(_ piece: String) {
        guard !piece.isEmpty else { return }
        text += piece
        onText(piece)
    }
}

/// Watches streamed text for stop strings, and holds back what might become one.
public struct StopMatcher {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []

    /// Whether a stop string has come; nothing passes afterwards.
    public private(set) var hasStopped = false

    /// Empty stop strings are ignored.
    public init(_ stops: [String]) {
        self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty }
    }

    /// The part of the text so far that certainly comes before any stop string and was not
    /// returned yet.
    public mutating func append(_ text: String) -> String {
        guard !hasStopped else { return "" }
        guard !stops.isEmpty else { return text }
        held.append(contentsOf: text.utf8)
        if let start = stops.compactMap({ firstOccurrence(of: $0) }).min() {
            hasStopped = true
            return release(start)
        }
        return release(held.count - lengthOfPossibleStart)
    }

    /// The text that was held back, when no more will come.
    public mutating func finish() -> String {
        hasStopped ? "" : release(held.count)
    }

    private mutating func release(_ count: Int) -> String {
        let text = String(decoding: held[..<count], as: UTF8.self)
        held.removeFirst(count)
        return text
    }

    private func firstOccurrence(of stop: [UInt8]) -> Int? {
        guard held.count >= stop.count else { return nil }
        return (0...(held.count - stop.count)).first { held[$0...].starts(with: stop) }
    }

    /// How many of the last bytes are the beginning of a stop string, at most.
    private var lengthOfPossibleStart: Int {
        stops.map { stop in
            (0..<min(stop.count, held.count + 1)).last {
                held.suffix($0).elementsEqual(stop.prefix($0))
            }
                ?? 0
        }.max() ?? 0
    }
}
