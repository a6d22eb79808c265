// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Families
import Imaging
import Pictures
import TensorOps
import TokenPruning
import Tokenization
import Weights

/// Answers the requests of many tasks at once, on a thread of its own.
///
/// An answer is, bit for bit, what it is for the same prompt alone. While somebody reads an answer as it comes, new
/// prompts are read, and their pictures encoded, in the pauses that `Options.longestPause` leaves.
public final class Engine: Sendable {
    /// How much an engine takes on.
    public struct Options: Sendable {
        /// The most answers that are generated at the same time.
        public var parallel: Int
        /// Rows of the KV cache of all of them, and of what stays for those who continue.
        public var cacheRows: Int
        /// How the KV cache stores numbers.
        public var cacheFormat: CacheFormat
        /// The most requests that wait for their turn.
        public var mostQueued: Int
        /// The seconds that should pass at most between two tokens of an answer that is streamed.
        public var longestPause: Double
        /// Bytes of encoded pictures that are kept for further questions.
        public var pictureCacheBytes: Int
        /// Extra threads that encode pictures while answers are generated.
        ///
        /// With 0, pictures are encoded between the decoder's steps, on the same threads. Small models, and machines
        /// with cores that the model's threads leave free, encode faster beside them.
        public var encodingThreads = 0

        /// Room for `parallel` answers within `cacheRows` rows.
        public init(
            parallel: Int, cacheRows: Int, cacheFormat: CacheFormat = .f16, mostQueued: Int = 256,
            longestPause: Double = 0.5, pictureCacheBytes: Int = 256 << 20
        ) {
            self.parallel = parallel
            self.cacheRows = cacheRows
            self.cacheFormat = cacheFormat
            self.mostQueued = mostQueued
            self.longestPause = longestPause
            self.pictureCacheBytes = pictureCacheBytes
        }
    }

    /// A picture of a request.
    public struct Picture: Sendable {
        /// What the picture shows; nil for a picture that is not known again.
        public let key: PictureKey?
        /// The question that it came with, by which its visual tokens are selected; nil for the request's.
        public var question: [TokenID]?
        /// Where the engine has it from.
        let source: Source

        enum Source: Sendable {
            /// Decodes the picture and cuts its tiles, on a thread of the engine's.
            case loaded(@Sendable () throws(GenerationError) -> TileBatch)
            /// The picture as an earlier question left it.
            case given(BatchGenerator.PictureInput)
        }

        /// A picture that is loaded when its turn comes, unless it is known by its key.
        public init(
            key: PictureKey? = nil, question: [TokenID]? = nil,
            load: @escaping @Sendable () throws(GenerationError) -> TileBatch
        ) {
            self.key = key
            self.question = question
            source = .loaded(load)
        }

        /// A picture of an earlier question.
        init(_ input: BatchGenerator.PictureInput) {
            (key, question, source) = (nil, nil, .given(input))
        }

        /// The picture as an earlier question left it; nil for one that is still to be loaded.
        var given: BatchGenerator.PictureInput? {
            if case .given(let input) = source { input } else { nil }
        }
    }

    /// A prompt with its pictures.
    public struct Request: Sendable {
        /// The prompt.
        public var prompt: [PromptPiece]
        /// Every picture that the prompt refers to.
        public var pictures: [Picture]
        /// The question as typed, for selectors of visual tokens that look at it.
        public var question: [TokenID]
        /// How its answer is generated.
        public var options: GenerationOptions
        /// Whether somebody reads the answer as it comes.
        public var isStreamed: Bool
        /// Whether the prompt and its answer are likely to be continued.
        public var isContinued: Bool
        /// What selectors of later requests will look at of the same pictures, so that these are encoded once.
        public var pictureNeeds: Set<SelectionNeed> = []
        /// Gets what each stage computes, unless extra threads encode the pictures.
        package var recorder: StageRecorder?
        /// Rows at the prompt's start that were recorded with earlier questions, where the cache has them.
        var saidRows = 0
        /// Gets the pictures once their rows are selected, on the engine's thread.
        var onPictures: (@Sendable ([EncodedPicture], [SelectedPicture]) -> Void)?

        /// A request that somebody waits for.
        public init(
            prompt: [PromptPiece], pictures: [Picture] = [], question: [TokenID] = [],
            options: GenerationOptions = GenerationOptions(), isStreamed: Bool = true,
            isContinued: Bool = false
        ) {
            self.prompt = prompt
            self.pictures = pictures
            self.question = question
            self.options = options
            self.isStreamed = isStreamed
            self.isContinued = isContinued
        }
    }

    /// What happens to a request, in this order.
    public enum Event: Sendable, Equatable {
        /// It waits; `place` requests are there before it.
        case queued(place: Int)
        /// A picture, counted from 0, is in the vision tower; `done` goes from 0 to 1.
        case encoding(picture: Int, of: Int, done: Double)
        /// The prompt's rows are in the decoder; `done` goes from 0 to 1.
        case reading(done: Double)
        /// The next piece of the answer; always whole characters.
        case text(String)
        /// The whole answer.
        case finished(Answer)
    }

    /// A request that was taken.
    public struct Ticket: Sendable {
        /// What it is cancelled by.
        public let id: Int
        /// What happens to it.
        ///
        /// Its errors are `GenerationError`. Ending the iteration, or its task, cancels the request.
        public let events: AsyncThrowingStream<Event, any Error>

        /// The answer, once it is whole.
        ///
        /// - Throws: `GenerationError`.
        public func answer() async throws -> Answer {
            for try await event in events {
                if case .finished(let answer) = event { return answer }
            }
            throw GenerationError.model(.cancelled)
        }
    }

    /// How busy an engine is.
    public struct Status: Sendable, Equatable {
        /// Requests that wait for their turn.
        public var queued = 0
        /// Requests in progress.
        public var active = 0
        /// Pages of the KV cache that hold rows.
        public var takenPages = 0
        /// Pages that there are.
        public var allPages = 0
        /// The most bytes of pages that ever held rows at the same time.
        public var mostCacheBytes = 0
        /// Seconds in vision tower, projector and selection.
        public var encodingSeconds = 0.0
        /// Seconds in the decoder.
        public var decoderSeconds = 0.0
        /// Seconds in which there was nothing to do but to wait for pictures that are being loaded.
        public var waitingSeconds = 0.0
    }

    /// The most requests that are loaded or in progress at the same time; further ones wait.
    public var mostActive: Int { loop.mostActive }

    /// The model that answers.
    let model: LLaVAModel
    private let loop: EngineLoop

    /// An engine for a model.
    ///
    /// - Throws: `GenerationError`.
    public init(
        model: LLaVAModel, tokenizer: Tokenizer, options: Options
    ) throws(GenerationError) {
        self.model = model
        let generator = try BatchGenerator(
            model: model, tokenizer: tokenizer, cacheFormat: options.cacheFormat,
            parallel: options.parallel, cacheRows: options.cacheRows,
            longestPause: options.longestPause,
            pictures: EncodedPictureCache(budget: options.pictureCacheBytes))
        loop = EngineLoop(
            generator, mostQueued: options.mostQueued,
            encoder: try modelled { () throws(ModelError) -> (any PictureEncoder)? in
                try options.encodingThreads > 0
                    ? model.pictureEncoder.onOtherThreads(count: options.encodingThreads) : nil
            })
        loop.start()
    }

    deinit { loop.close(draining: false) }

    /// Takes a request.
    ///
    /// - Throws: `GenerationError.queueFull`, `GenerationError.closed`. Whatever else is wrong with a request is
    ///   thrown by its events.
    public func submit(_ request: Request) throws(GenerationError) -> Ticket {
        let (events, continuation) = AsyncThrowingStream.makeStream(of: Event.self)
        let id = try submit(request, onEvent: { continuation.yield($0) }) { result in
            continuation.finish(throwing: result.failure)
        }
        continuation.onTermination = { [weak loop = self.loop] reason in
            if case .cancelled = reason { loop?.cancel(id) }
        }
        return Ticket(id: id, events: events)
    }

    /// Takes a request whose events are told to a closure, in order and without waiting for it.
    ///
    /// - Parameters:
    ///   - cancellation: ends the request once its turn has come, like `cancel`.
    ///   - onEvent: called on threads of the engine's.
    ///   - onEnd: called once, after the last event.
    /// - Returns: what the request is cancelled by.
    /// - Throws: `GenerationError.queueFull`, `GenerationError.closed`.
    package func submit(
        _ request: Request, cancellation: Cancellation = Cancellation(),
        onEvent: @escaping @Sendable (Event) -> Void,
        onEnd: @escaping @Sendable (Result<Answer, GenerationError>) -> Void
    ) throws(GenerationError) -> Int {
        try loop.submit(
            request, cancellation, EngineLoop.Observer(onEvent: onEvent, onEnd: onEnd))
    }

    /// Ends a request: one that has begun to answer finishes with what there is, any other fails.
    public func cancel(_ id: Int) { loop.cancel(id) }

    /// How busy the engine is.
    public var status: Status { loop.status }

    /// Takes no more requests, and returns when those that were taken have ended.
    ///
    /// - Parameter draining: whether they are answered, and not cancelled.
    public func shutDown(draining: Bool) async {
        loop.close(draining: draining)
        await withCheckedContinuation { continuation in
            loop.ended.notify(queue: .global()) { continuation.resume() }
        }
    }

    /// Ends all requests, and returns when the engine's thread has ended.
    package func close() {
        loop.close(draining: false)
        loop.ended.wait()
    }
}

extension Engine.Event {
    /// How far the prompt has come; nil for what happens before and after that.
    package var progress: PromptProgress? {
        switch self {
        case .encoding(let picture, let count, let done):
            .encoding(picture: picture, of: count, done: done)
        case .reading(let done): .reading(done: done)
        case .queued, .text, .finished: nil
        }
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
