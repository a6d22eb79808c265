// SPDX-License-Identifier: Apache-2.0
import Pictures
import TestSupport
import TokenPruning
import Tokenization

@testable import Generation

/// Requests of all kinds, by seed: few or many rows, no picture to two, greedy or sampled, pruned or not, some that
/// cannot be answered.
struct RandomRequests {
    let loaded: LoadedModel
    private var random: SeededGenerator
    private var pictures: [TileBatch]

    init(_ loaded: LoadedModel, seed: UInt64) {
        self.loaded = loaded
        random = SeededGenerator(seed: seed)
        pictures = (0..<4).map { loaded.tiles(width: 30 + 5 * $0, height: 40, seed: UInt64($0)) }
    }

    mutating func next(_ id: Int) -> BatchGenerator.Request {
        func text(_ count: Int) -> [TokenID] {
            (0..<count).map { _ in TokenID.random(in: 263..<283, using: &random) }
        }
        let starts = [3, 20, 33].map { count in (0..<count).map { TokenID(263 + $0 % 7) } }
        let shown = (0..<Int.random(in: 0...2, using: &random)).map { _ in
            Int.random(in: 0..<pictures.count, using: &random)
        }
        var pieces = [PromptPiece.tokens(starts[Int.random(in: 0..<3, using: &random)])]
        for index in shown.indices {
            pieces += [.picture(index), .tokens(text(Int.random(in: 1...5, using: &random)))]
        }
        pieces.append(.tokens(text(Int.random(in: 1...11, using: &random))))
        // One in twelve is longer than any context.
        if Int.random(in: 0..<12, using: &random) == 0 { pieces.append(.tokens(text(400))) }
        return BatchGenerator.Request(
            id: id, prompt: pieces,
            pictures: shown.map { .tiles(pictures[$0], key: Self.key($0)) },
            options: GenerationOptions(
                maxNewTokens: Int.random(in: 1...19, using: &random),
                sampling: SamplingOptions(
                    temperature: Bool.random(using: &random) ? 0 : 0.8, seed: UInt64(id)),
                ignoresEndOfSequence: Bool.random(using: &random),
                pruning: Bool.random(using: &random)
                    ? PruningOptions(budget: .count(2), selector: "uniform") : nil),
            isStreamed: Bool.random(using: &random), isContinued: Bool.random(using: &random))
    }

    /// A number below `limit`.
    mutating func number(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }

    /// The key of one of the pictures.
    static func key(_ picture: Int) -> PictureKey {
        PictureKey(digest: (0..<32).map { UInt8($0 == 0 ? picture : $0) })
    }

    /// The answer to the request alone, or why not.
    func alone(_ request: BatchGenerator.Request) -> Result<Answer, GenerationError> {
        do throws(GenerationError) {
            let conversation = try LoneConversation(loaded)
            return .success(
                try conversation.answer(
                    request.prompt, pictures: request.tiles, options: request.options))
        } catch {
            return .failure(error)
        }
    }
}

extension Answer {
    /// Whether it says the same as the answer of a whole request, or what that begins with if it was cut short.
    func agrees(with whole: Answer) -> Bool {
        guard stopReason == .cancelled else {
            return text == whole.text && tokens == whole.tokens && stopReason == whole.stopReason
        }
        return whole.tokens.starts(with: tokens)
    }
}
