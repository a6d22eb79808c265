// SPDX-License-Identifier: Apache-2.0
import TokenPruning
import Tokenization

/// How an answer is generated.
public struct GenerationOptions: Sendable, Equatable {
    /// Most tokens of the answer.
    public var maxNewTokens: Int
    /// Tokens before which no end-of-sequence token is chosen.
    public var minNewTokens: Int
    /// How tokens are chosen.
    public var sampling: SamplingOptions
    /// Texts that end the answer; they are not part of it.
    public var stopStrings: [String]
    /// Goes on to `maxNewTokens` without ever choosing an end-of-sequence token.
    public var ignoresEndOfSequence: Bool
    /// Which visual tokens enter the decoder; nil for all.
    public var pruning: PruningOptions?

    /// Greedy, up to 512 tokens.
    public init(
        maxNewTokens: Int = 512, minNewTokens: Int = 0,
        sampling: SamplingOptions = SamplingOptions(),
        stopStrings: [String] = [], ignoresEndOfSequence: Bool = false,
        pruning: PruningOptions? = nil
    ) {
        self.maxNewTokens = maxNewTokens
        self.minNewTokens = minNewTokens
        self.sampling = sampling
        self.stopStrings = stopStrings
        self.ignoresEndOfSequence = ignoresEndOfSequence
        self.pruning = pruning
    }

    /// - Throws: `GenerationError.invalidOption` for a number outside its range.
    public func validate() throws(GenerationError) {
        try sampling.validate()
        guard maxNewTokens >= 1 else {
            throw .invalidOption(
                name: "the number of new tokens", value: "\(maxNewTokens)", expected: "1 or more")
        }
        guard (0...maxNewTokens).contains(minNewTokens) else {
            throw .invalidOption(
                name: "the least number of new tokens", value: "\(minNewTokens)",
                expected: "0 to \(maxNewTokens), the most")
        }
        guard let pruning else { return }
        do {
            _ = try TokenSelectors.named(pruning.selector, pruning.selectorOptions)
        } catch {
            throw .pruning(error)
        }
    }
}

/// What a prompt was answered with.
public struct Answer: Sendable, Equatable {
    /// Why an answer ends.
    public enum StopReason: String, Sendable {
        /// The model chose an end-of-sequence token.
        case endOfSequence = "end-of-sequence"
        /// A stop string came.
        case stopString = "stop-string"
        /// The answer has as many tokens as it may.
        case length
        /// The context has no row left.
        case context
        /// It was cancelled.
        case cancelled
    }

    /// The text, without what ended it.
    public let text: String
    /// The tokens, without an end-of-sequence token.
    public let tokens: [TokenID]
    /// Which rows of each of the prompt's pictures entered the decoder.
    public let selections: [PictureSelection]
    /// Why it ended.
    public let stopReason: StopReason
    /// What it cost.
    public var statistics: GenerationStatistics
}
