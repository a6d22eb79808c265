// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import KernelInterface
import Kernels
import ModelTestSupport
import TensorOps
import TestSupport
import Testing
import WorkerPool

@testable import Decoder
@testable import Weights

/// A token's logits are the same bits on any number of threads and for any chunks of the tokens
/// before it.
///
/// So a prompt in chunks, a conversation and a long run give the same answers.
@Suite struct RowIndependenceTests {
    private static let tokens: [Int32] = {
        var random = SeededGenerator(seed: 8)
        return (0..<200).map { _ in
            Int32.random(in: 3..<Int32(TinyVocabulary.pieces.count), using: &random)
        }
    }()

    /// The scores after each token, given to the model in chunks.
    private func logits(
        _ pair: TinyPair, _ mode: ActivationMode, threads: Int, tokensPerChunk: Int
    ) throws -> [Float] {
        let ops = TensorOps(
            kernels: try KernelTable.named(nil), pool: WorkerPool(threadCount: threads),
            activationMode: mode)
        let model = try pair.load(ops)
        let cache = try KeyValueCache(
            CachePagePool(model.decoder.config, rows: Self.tokens.count, format: .f16),
            rows: Self.tokens.count)
        return try stride(from: 0, to: Self.tokens.count, by: tokensPerChunk).flatMap { first in
            let end = min(first + tokensPerChunk, Self.tokens.count)
            return try model.logits(Array(Self.tokens[first..<end]), cache)
        }
    }

    @Test(
        arguments: [BlockFormat.q4_0, .q8_0, .q3_K, .q4_K, .q6_K], [ActivationMode.per32, .pow2])
    func scoresDoNotDependOnThreadsOrChunks(format: BlockFormat, mode: ActivationMode) throws {
        let pair = TinyPair(TinyModel(textFormat: format, projectorFormat: .f32))
        let expected = try logits(pair, mode, threads: 1, tokensPerChunk: Self.tokens.count)
        #expect(expected.count == Self.tokens.count * TinyVocabulary.pieces.count)
        // Differences are not shown: finding them in such arrays takes minutes.
        func isEqual(threads: Int, tokensPerChunk: Int) throws -> Bool {
            try logits(pair, mode, threads: threads, tokensPerChunk: tokensPerChunk) == expected
        }
        for threads in 1...3 {
            for tokensPerChunk in [1, 7, 64, 200] {
                try #expect(
                    isEqual(threads: threads, tokensPerChunk: tokensPerChunk),
                    "\(threads) threads, \(tokensPerChunk) tokens at once")
            }
        }
    }
}
