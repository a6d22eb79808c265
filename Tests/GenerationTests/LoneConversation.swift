// SPDX-License-Identifier: Apache-2.0
import Decoder
import Dispatch
import Pictures
import Synchronization
import TensorOps
import Tokenization
import Weights

@testable import Generation

extension LoadedModel {
    /// An engine with room for `parallel` contexts, and for what those who continue copy.
    func engine(
        parallel: Int, cacheRows: Int? = nil, cacheFormat: CacheFormat = .f16
    ) throws(GenerationError) -> Engine {
        try Engine(
            model: model, tokenizer: tokenizer,
            options: Engine.Options(
                parallel: parallel,
                cacheRows: cacheRows ?? parallel * model.context + 2 * CachePageLayout.tokens,
                cacheFormat: cacheFormat, pictureCacheBytes: 0))
    }
}

/// A conversation on an engine that has no other.
final class LoneConversation {
    private let engine: Engine
    private var history = History()

    var isEmpty: Bool { history.isEmpty }

    init(_ loaded: LoadedModel, cacheFormat: CacheFormat = .f16) throws(GenerationError) {
        engine = try loaded.engine(parallel: 1, cacheFormat: cacheFormat)
    }

    deinit { engine.close() }

    /// Asks the next question.
    func answer(
        _ prompt: [PromptPiece], pictures: [TileBatch], question: [TokenID] = [],
        options: GenerationOptions, cancellation: Cancellation = Cancellation(),
        recorder: StageRecorder? = nil, onText: (String) -> Void = { _ in }
    ) throws(GenerationError) -> Answer {
        try history.ask(
            prompt, pictures, question: question, options, of: engine, cancellation: cancellation,
            recorder: recorder
        ) { event in
            if case .text(let piece) = event { onText(piece) }
        }
    }
}

extension History {
    /// Asks a question about pictures that are cut into tiles.
    mutating func ask(
        _ prompt: [PromptPiece], _ pictures: [TileBatch], question: [TokenID] = [],
        _ options: GenerationOptions, of engine: Engine,
        cancellation: Cancellation = Cancellation(), recorder: StageRecorder? = nil,
        onEvent: (Engine.Event) -> Void = { _ in }
    ) throws(GenerationError) -> Answer {
        var request = Engine.Request(
            prompt: prompt, pictures: pictures.map { tiles in Engine.Picture { tiles } },
            question: question, options: options, isContinued: true)
        request.recorder = recorder
        return try ask(
            request, plans: pictures.map(\.plan), of: engine, cancellation: cancellation,
            onEvent: onEvent)
    }
}

/// An answer that holds up the engine's steps, so that a test can act between two tokens of another one.
final class HeldNeighbour: Sendable {
    private let isFree = Atomic(false)
    private let step = DispatchSemaphore(value: 0)
    private let begun = DispatchSemaphore(value: 0)

    /// Asks for the answer, which holds up every step from that of its first token on.
    init(on engine: Engine) throws(GenerationError) {
        let request = Engine.Request(
            prompt: [.tokens(tokens("a"))],
            options: GenerationOptions(maxNewTokens: 12, ignoresEndOfSequence: true),
            isStreamed: false)
        _ = try engine.submit(
            request,
            onEvent: { [self] event in
                guard case .text = event, !isFree.load(ordering: .relaxed) else { return }
                begun.signal()
                step.wait()
            }, onEnd: { _ in })
    }

    /// Returns when the first step is held up.
    func waitUntilHeld() { begun.wait() }

    /// Lets the step go on that is held up.
    func letOneStepGo() { step.signal() }

    /// Holds up no more steps.
    func letGo() {
        isFree.store(true, ordering: .relaxed)
        step.signal()
    }
}
