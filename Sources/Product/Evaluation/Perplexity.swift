// SPDX-License-Identifier: Apache-2.0
import Decoder
import Foundation
import Generation
import TensorOps
import Tokenization
import TrimLLaVA
import Weights

/// How well a model predicts a text, counted as llama.cpp's `llama-perplexity` counts it.
///
/// The text is cut into windows that do not overlap, and a rest that fills none is left out. In every window, which begins
/// with the vocabulary's begin token where the model expects one, the tokens of the second half are predicted from all
/// before them.
public struct Perplexity: Sendable, Equatable {
    /// Tokens that were predicted.
    public private(set) var tokens = 0
    /// Tokens that were read.
    public private(set) var tokensRead = 0
    /// Windows that were read.
    public private(set) var windows = 0
    /// Bytes of the text that the predicted tokens stand for.
    public private(set) var bytes = 0
    /// Seconds that reading took.
    public private(set) var seconds = 0.0

    private var sum = 0.0
    private var squareSum = 0.0

    /// Nats per token: the mean of the negative logarithms of the tokens' probabilities.
    public var natsPerToken: Double { sum / Double(tokens) }
    /// e to the power of `natsPerToken`.
    public var value: Double { exp(natsPerToken) }
    /// The standard error of `value`, as if tokens were independent of each other.
    public var error: Double {
        let variance = squareSum / Double(tokens) - natsPerToken * natsPerToken
        return value * (max(0, variance) / Double(max(1, tokens - 1))).squareRoot()
    }
    /// Bits per byte of the text, which models with different vocabularies can be compared by.
    public var bitsPerByte: Double { sum / log(2) / Double(max(1, bytes)) }
    /// Tokens read per second.
    public var tokensPerSecond: Double { Double(tokensRead) / max(seconds, 1e-9) }

    init() {}

    /// Counts a token of `bytes` bytes whose probability has this negative logarithm.
    mutating func add(_ nats: Double, bytes: Int) {
        tokens += 1
        self.bytes += bytes
        sum += nats
        squareSum += nats * nats
    }

    mutating func endWindow(of rows: Int, seconds: Double) {
        windows += 1
        tokensRead += rows
        self.seconds += seconds
    }
}

/// A text in windows, whose perplexity a model can compute.
public struct PerplexityText: Sendable {
    /// Tokens per window, unless the user says otherwise.
    public static let defaultWindow = 512

    /// Tokens of the whole text.
    public let tokenCount: Int
    /// Windows that are read.
    public let windowCount: Int

    private let tokens: [TokenID]
    private let window: Int
    private let llava: LLaVA

    /// Cuts a text into windows.
    ///
    /// - Parameters:
    ///   - name: what errors call the text.
    ///   - window: tokens per window, at least 4.
    ///   - limit: the most windows; nil for all.
    /// - Throws: `EvaluationError.textTooShort`, `EvaluationError.windowTooLong`.
    public init(
        _ text: String, name: String, for llava: LLaVA, window: Int = defaultWindow,
        limit: Int? = nil
    ) throws(EvaluationError) {
        guard window <= llava.context else {
            throw .windowTooLong(window: window, context: llava.context)
        }
        tokens = llava.tokenizer.encode(text, addSpecial: true)
        guard tokens.count >= window else {
            throw .textTooShort(path: name, tokens: tokens.count, window: window)
        }
        tokenCount = tokens.count
        windowCount = min(tokens.count / window, limit ?? .max)
        self.window = window
        self.llava = llava
    }

    /// Reads the windows.
    ///
    /// - Parameter onWindow: called after every window with what is known so far.
    /// - Throws: `LLaVAError`, also when it is cancelled.
    public func perplexity(
        cancellation: Cancellation = Cancellation(), onWindow: (Perplexity) -> Void = { _ in }
    ) throws(LLaVAError) -> Perplexity {
        do throws(ModelError) {
            let reader = try WindowReader(llava, rows: window)
            var perplexity = Perplexity()
            for index in 0..<windowCount {
                let start = ContinuousClock.now
                let read = tokens[(index * window)..<((index + 1) * window)]
                try reader.read(read, from: window / 2, cancellation) { token, nats in
                    perplexity.add(nats, bytes: llava.tokenizer.piece(token).count)
                }
                perplexity.endWindow(
                    of: window, seconds: (ContinuousClock.now - start) / .seconds(1))
                onWindow(perplexity)
            }
            return perplexity
        } catch {
            throw .model(error)
        }
    }
}

/// Reads windows of tokens, one after the other, each from an empty KV cache.
private struct WindowReader {
    /// The most rows whose logits are computed together.
    private static let logitRows = 64

    private let decoder: Decoder
    private let begin: TokenID?
    private let cache: KeyValueCache
    private let batch: DecoderBatch

    init(_ llava: LLaVA, rows: Int) throws(ModelError) {
        decoder = llava.model.decoder
        begin = llava.tokenizer.addsBeginOfSequence ? llava.tokenizer.beginOfSequence : nil
        cache = try KeyValueCache(
            CachePagePool(decoder.config, rows: rows, format: llava.cacheFormat), rows: rows)
        batch = DecoderBatch(decoder)
    }

    /// Reads a window, and tells the negative logarithm of the probability of each token after the one at `first`.
    func read(
        _ window: ArraySlice<TokenID>, from first: Int, _ cancellation: Cancellation,
        onToken: (TokenID, Double) -> Void
    ) throws(ModelError) {
        let window = Array(window)
        cache.truncate(to: 0)
        var start = 0
        while start < window.count {
            let rows = start..<min(start + BatchGenerator.promptRowsPerStep, window.count)
            try run(rows, of: window, from: first, cancellation)
            let wanted = Array(rows.clamped(to: first..<(window.count - 1)))
            var place = 0
            while place < wanted.count {
                let some = wanted[place..<min(place + Self.logitRows, wanted.count)]
                let logits = decoder.logits(batch, rows: some.map { $0 - rows.lowerBound })
                for (index, row) in some.enumerated() {
                    let next = window[row + 1]
                    onToken(next, try logits.row(index).nats(of: Int(next)))
                }
                place += some.count
            }
            start = rows.upperBound
        }
    }

    private func run(
        _ rows: Range<Int>, of window: [TokenID], from first: Int, _ cancellation: Cancellation
    ) throws(ModelError) {
        batch.restart(rows: rows.count)
        batch.append(positions: rows.map { Position($0) }[...], to: cache)
        for row in rows {
            let token = row == 0 ? begin ?? window[0] : window[row]
            decoder.embed(token, into: batch.hidden.row(row - rows.lowerBound))
        }
        batch.wanted = Array(rows.clamped(to: first..<window.count)).map { $0 - rows.lowerBound }
        try decoder.run(batch, cancellation: cancellation)
    }
}

extension UnsafeBufferPointer<Float> {
    /// The negative logarithm of the probability that these logits give to a token.
    fileprivate func nats(of token: Int) -> Double {
        let largest = self.max() ?? 0
        var sum = 0.0
        for logit in self { sum += Double(exp(logit - largest)) }
        return log(sum) - Double(self[token] - largest)
    }
}
