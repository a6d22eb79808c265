// SPDX-License-Identifier: Apache-2.0

/// How the next token is chosen from its scores.
///
/// Applied in this order: repetition penalty, top-k, top-p, min-p, temperature.
public struct SamplingOptions: Sendable, Equatable {
    /// Divides the scores; 0 always takes the best token.
    public var temperature: Float
    /// Keeps this many best tokens; 0 keeps all.
    public var topK: Int
    /// Keeps the fewest best tokens whose probabilities reach this sum (arXiv 1904.09751).
    public var topP: Float
    /// Drops tokens less probable than this fraction of the best one's probability.
    public var minP: Float
    /// Divides positive and multiplies negative scores of recent tokens (arXiv 1909.05858).
    public var repetitionPenalty: Float
    /// How many of the latest tokens the penalty looks at.
    public var repetitionWindow: Int
    /// Start of the random numbers; nil for a new one each time.
    public var seed: UInt64?

    /// Greedy unless a temperature is given.
    public init(
        temperature: Float = 0, topK: Int = 40, topP: Float = 0.95, minP: Float = 0.05,
        repetitionPenalty: Float = 1, repetitionWindow: Int = 64, seed: UInt64? = nil
    ) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
        self.repetitionWindow = repetitionWindow
        self.seed = seed
    }

    /// - Throws: `GenerationError.invalidOption` for a number outside its range.
    public func validate() throws(GenerationError) {
        func check(_ isValid: Bool, _ name: String, _ value: some Any, _ expected: String)
            throws(GenerationError)
        {
            if !isValid { throw .invalidOption(name: name, value: "\(value)", expected: expected) }
        }
        try check(
            temperature >= 0 && temperature.isFinite, "temperature", temperature, "0 or more")
        try check(topK >= 0, "top-k", topK, "0 or more")
        try check(topP > 0 && topP <= 1, "top-p", topP, "more than 0, at most 1")
        try check(minP >= 0 && minP <= 1, "min-p", minP, "0 to 1")
        try check(
            repetitionPenalty > 0 && repetitionPenalty.isFinite, "repetition penalty",
            repetitionPenalty, "more than 0")
        try check(repetitionWindow >= 0, "repetition window", repetitionWindow, "0 or more")
    }
}
