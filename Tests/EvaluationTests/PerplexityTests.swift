// SPDX-License-Identifier: Apache-2.0
import Decoder
import Foundation
import TensorOps
import TestSupport
import Testing
import TrimLLaVA

@testable import Evaluation

@Suite struct PerplexityTests {
    private static let text = String(
        repeating: "The picture shows 3 cats, it's a photograph. Ünïcode too!\n", count: 30)

    private func llava(_ options: LoadOptions = LoadOptions()) throws -> LLaVA {
        try LLaVA(
            text: Fixture.path("models/llava-1.5-gqa/llava-1.5-gqa-f32.gguf"), options: options)
    }

    /// The negative logarithms of all tokens of the second halves, computed row by row.
    private func nats(_ llava: LLaVA, window: Int, windows: Int) throws -> [Double] {
        let decoder = llava.model.decoder
        let tokens = llava.tokenizer.encode(Self.text, addSpecial: true)
        return try (0..<windows).flatMap { index -> [Double] in
            var window = Array(tokens[(index * window)..<((index + 1) * window)])
            if let begin = llava.tokenizer.beginOfSequence { window[0] = begin }
            let pool = try CachePagePool(decoder.config, rows: window.count, format: .f16)
            let cache = try KeyValueCache(pool, rows: window.count)
            var nats: [Double] = []
            for (row, token) in window.dropLast().enumerated() {
                let batch = DecoderBatch(decoder)
                batch.restart(rows: 1)
                batch.append(positions: [Position(row)], to: cache)
                decoder.embed(token, into: batch.hidden.row(0))
                try decoder.run(batch, cancellation: Cancellation())
                let logits = try decoder.logits(batch, rows: [0]).row(0).map(Double.init)
                let sum = logits.reduce(0) { $0 + exp($1) }
                if row >= window.count / 2 { nats.append(log(sum) - logits[Int(window[row + 1])]) }
            }
            return nats
        }
    }

    @Test(arguments: [(4, 1), (17, 3), (64, 2), (600, 1)])
    func itIsThatOfTheSecondHalfOfEveryWindow(window: Int, windows: Int) throws {
        let llava = try llava()
        let text = try PerplexityText(
            Self.text, name: "text", for: llava, window: window, limit: windows)
        #expect(text.windowCount == windows)
        var seen: [Int] = []
        let found = try text.perplexity { seen.append($0.windows) }
        let nats = try nats(llava, window: window, windows: windows)
        #expect(found.tokens == nats.count && found.tokensRead == window * windows)
        #expect(seen == Array(1...windows))
        let mean = nats.reduce(0, +) / Double(nats.count)
        #expect(abs(found.natsPerToken - mean) < 1e-5 * mean)
        #expect(abs(found.value - exp(mean)) < 1e-4 * exp(mean))
        let variance = nats.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(nats.count)
        let error = exp(mean) * (variance / Double(max(1, nats.count - 1))).squareRoot()
        #expect(abs(found.error - error) <= 1e-3 * max(error, 1e-3))
        #expect(
            abs(found.bitsPerByte - nats.reduce(0, +) / log(2) / Double(found.bytes)) < 1e-4)
    }

    @Test func formatsOfTheCacheCostWhatTheyCost() throws {
        let values = try [CacheFormat.f32, .f16].map { format in
            let text = try PerplexityText(
                Self.text, name: "text", for: llava(LoadOptions(cacheFormat: format)), window: 64)
            return try text.perplexity().value
        }
        #expect(values[0] != values[1] && abs(values[1] / values[0] - 1) < 0.01)
    }

    @Test func textsAndWindowsThatDoNotFitAreRefused() throws {
        let llava = try llava(LoadOptions(context: 64))
        #expect(throws: EvaluationError.windowTooLong(window: 65, context: 64)) {
            _ = try PerplexityText(Self.text, name: "text", for: llava, window: 65)
        }
        let short = EvaluationError.textTooShort(path: "text", tokens: 1, window: 64)
        #expect(throws: short) {
            _ = try PerplexityText("", name: "text", for: llava, window: 64)
        }
        #expect("\(short)" == "text: has 1 tokens, expected at least the 64 of a window")
    }

    @Test func itCanBeCancelled() throws {
        let cancellation = Cancellation()
        let text = try PerplexityText(Self.text, name: "text", for: llava(), window: 16)
        #expect(throws: LLaVAError.model(.cancelled)) {
            _ = try text.perplexity(cancellation: cancellation) { found in
                if found.windows == 2 { cancellation.cancel() }
            }
        }
    }
}
