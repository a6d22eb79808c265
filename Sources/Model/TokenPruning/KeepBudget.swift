// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// How many of a picture's visual tokens are kept.
public enum KeepBudget: Sendable, Equatable {
    /// This many, or all where there are fewer.
    case count(Int)
    /// This percentage of the candidates, rounded to the nearest, at least one.
    case percent(Double)
    /// As many as a picture needs for this share of the unpruned answers, in per cent: `AdaptiveBudget`.
    case adaptive(quality: Double)

    /// As many as a picture needs for most of the unpruned answers.
    public static let automatic = KeepBudget.adaptive(quality: AdaptiveBudget.defaultQuality)

    /// Reads `64`, `11.1%`, `auto` or `auto:95%`.
    ///
    /// - Throws: `PruningError.invalidBudget` for anything else, and for budgets that keep nothing or
    ///   more than everything.
    public init(parsing text: String) throws(PruningError) {
        func isNumeral(_ text: some StringProtocol) -> Bool {
            text.utf8.allSatisfy { (48...57).contains($0) || $0 == UInt8(ascii: ".") }
        }
        func percentage(_ text: some StringProtocol) -> Double? {
            text.hasSuffix("%") && isNumeral(text.dropLast()) ? Double(text.dropLast()) : nil
        }
        if text == "auto" {
            self = .automatic
        } else if text.hasPrefix("auto:"), let quality = percentage(text.dropFirst(5)),
            AdaptiveBudget.qualities.contains(quality)
        {
            self = .adaptive(quality: quality)
        } else if let count = Int(text), isNumeral(text), count > 0 {
            self = .count(count)
        } else if let percent = percentage(text), percent > 0, percent <= 100 {
            self = .percent(percent)
        } else {
            throw .invalidBudget(text: text)
        }
    }

    /// The most that could be kept of `candidates`, known before the picture is encoded.
    public func mostKept(of candidates: Int) -> Int {
        switch self {
        case .count(let count): min(count, candidates)
        case .percent(let percent):
            min(candidates, max(1, Int((percent / 100 * Double(candidates)).rounded())))
        case .adaptive: AdaptiveBudget.range(of: candidates).upperBound
        }
    }

    /// Whether the picture decides.
    public var isAdaptive: Bool { if case .adaptive = self { true } else { false } }

    /// How many of these candidates to keep; 0 only without candidates.
    ///
    /// - Parameters:
    ///   - embeddings: the candidates, `[candidates, width]`; `adaptive` alone looks at them.
    ///   - rule: what `adaptive` follows.
    /// - Throws: `PruningError.notFinite`.
    public func resolve(
        for embeddings: Activations, rule: AutomaticRule = .drawnScenes, ops: TensorOps
    ) throws(PruningError) -> Int {
        guard case .adaptive(let quality) = self else { return mostKept(of: embeddings.rows) }
        return try AdaptiveBudget.count(
            for: embeddings, quality: quality, rule: rule, ops: ops)
    }
}

extension KeepBudget: CustomStringConvertible {
    /// The text that `init(parsing:)` reads.
    public var description: String {
        switch self {
        case .count(let count): "\(count)"
        case .percent(let percent): "\(percent)%"
        case .automatic: "auto"
        case .adaptive(let quality):
            quality == quality.rounded() ? "auto:\(Int(quality))%" : "auto:\(quality)%"
        }
    }
}
