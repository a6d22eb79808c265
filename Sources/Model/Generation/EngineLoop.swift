// SPDX-License-Identifier: Apache-2.0
import Dispatch
import LLaVAModel
import Synchronization
import TokenPruning

/// An engine's thread, and the requests on their way to it and back.
///
/// A request waits in order of arrival, is loaded on a second thread shortly before its turn, and then belongs to the
/// generator. The generator is touched by the loop's thread alone.
final class EngineLoop: @unchecked Sendable {
    /// A request and who waits for it.
    private struct Entry {
        let id: Int
        let request: Engine.Request
        let cancellation: Cancellation
        let continuation: AsyncThrowingStream<Engine.Event, any Error>.Continuation
        /// Seconds for decoding pictures and cutting tiles.
        var loadSeconds = 0.0
    }

    private struct State {
        var nextID = 0
        /// In order of arrival; not looked at yet.
        var waiting: [Entry] = []
        /// Being loaded, or in the generator.
        var active: [Int: Entry] = [:]
        /// Loaded, for the loop to start.
        var loaded: [BatchGenerator.Request] = []
        var isClosed = false
        var status = Engine.Status()

        /// Tells those who wait how many are before them.
        func tellPlaces() {
            for (place, entry) in waiting.enumerated() {
                entry.continuation.yield(.queued(place: active.count + place))
            }
        }
    }

    /// Requests that are loaded before there is room for them.
    private static let loadedAhead = 2

    /// Left when the loop has ended.
    let ended = DispatchGroup()

    private let generator: BatchGenerator
    private let pictures: EncodedPictureCache
    private let mostQueued: Int
    private let mostActive: Int
    private let state: Mutex<State>
    private let wake = DispatchSemaphore(value: 0)
    private let loading = DispatchQueue(label: "trimllava.loading", qos: .userInitiated)

    init(_ generator: BatchGenerator, mostQueued: Int) {
        self.generator = generator
        self.mostQueued = mostQueued
        pictures = generator.pictures
        mostActive = generator.parallel + Self.loadedAhead
        var state = State()
        state.status.allPages = generator.pool.capacity
        self.state = Mutex(state)
    }

    /// Starts the thread, which lives until the engine is closed.
    func start() {
        ended.enter()
        DispatchQueue(label: "trimllava.engine", qos: .userInitiated).async { [self] in
            run()
            ended.leave()
        }
    }

    var status: Engine.Status {
        state.withLock { state in
            var status = state.status
            (status.queued, status.active) = (state.waiting.count, state.active.count)
            status.takenPages = generator.pool.usage.taken
            return status
        }
    }

    func submit(_ request: Engine.Request) throws(GenerationError) -> Engine.Ticket {
        let (events, continuation) = AsyncThrowingStream.makeStream(of: Engine.Event.self)
        let limit = mostQueued
        let result = state.withLock { state -> Result<Int, GenerationError> in
            guard !state.isClosed else { return .failure(.closed) }
            guard state.waiting.count < limit else { return .failure(.queueFull(limit: limit)) }
            let id = state.nextID
            state.nextID += 1
            continuation.yield(.queued(place: state.waiting.count + state.active.count))
            state.waiting.append(
                Entry(
                    id: id, request: request, cancellation: Cancellation(),
                    continuation: continuation))
            return .success(id)
        }
        let id = try result.get()
        continuation.onTermination = { [weak self] reason in
            if case .cancelled = reason { self?.cancel(id) }
        }
        activate()
        return Engine.Ticket(id: id, events: events)
    }

    func cancel(_ id: Int) {
        let dropped = state.withLock { state -> Entry? in
            if let entry = state.active[id] {
                entry.cancellation.cancel()
                return nil
            }
            let dropped = state.waiting.firstIndex { $0.id == id }.map {
                state.waiting.remove(at: $0)
            }
            if dropped != nil { state.tellPlaces() }
            return dropped
        }
        dropped?.continuation.finish(throwing: GenerationError.model(.cancelled))
        wake.signal()
    }

    func close(draining: Bool) {
        let dropped = state.withLock { state -> [Entry] in
            state.isClosed = true
            guard !draining else { return [] }
            for entry in state.active.values { entry.cancellation.cancel() }
            defer { state.waiting.removeAll() }
            return state.waiting
        }
        for entry in dropped {
            entry.continuation.finish(throwing: GenerationError.model(.cancelled))
        }
        wake.signal()
    }

    /// Loads those who come next, as long as the generator will soon have room.
    private func activate() {
        let next = state.withLock { state -> [Entry] in
            let room = max(0, mostActive - state.active.count)
            let next = Array(state.waiting.prefix(room))
            state.waiting.removeFirst(next.count)
            for entry in next { state.active[entry.id] = entry }
            if !next.isEmpty { state.tellPlaces() }
            return next
        }
        for entry in next {
            if entry.request.pictures.isEmpty {
                pass(entry, [], seconds: 0)
            } else {
                loading.async { [self] in load(entry) }
            }
        }
    }

    /// Takes the pictures of a request from the cache, or from where they are.
    private func load(_ entry: Entry) {
        let start = ContinuousClock.now
        do throws(GenerationError) {
            let needs = try entry.request.options.pruning?.namedSelector().info.needs ?? []
            var inputs: [BatchGenerator.PictureInput] = []
            for picture in entry.request.pictures {
                try modelled { () throws(ModelError) in try entry.cancellation.check() }
                if let known = picture.key.flatMap({ pictures.picture($0, for: needs) }) {
                    inputs.append(.encoded(known))
                } else {
                    inputs.append(.tiles(try picture.load(), key: picture.key))
                }
            }
            pass(entry, inputs, seconds: (ContinuousClock.now - start) / .seconds(1))
        } catch {
            finish(entry.id, .failure(error))
            wake.signal()
        }
    }

    private func pass(
        _ entry: Entry, _ inputs: [BatchGenerator.PictureInput], seconds: Double
    ) {
        let asked = entry.request
        let request = BatchGenerator.Request(
            id: entry.id, prompt: asked.prompt, pictures: inputs, question: asked.question,
            pictureQuestions: asked.pictures.map { $0.question ?? asked.question },
            options: asked.options, isStreamed: asked.isStreamed,
            isContinued: asked.isContinued)
        state.withLock { state in
            state.active[entry.id]?.loadSeconds = seconds
            state.loaded.append(request)
        }
        wake.signal()
    }

    private func run() {
        while true {
            startLoaded()
            if generator.isIdle {
                let isOver = state.withLock {
                    $0.isClosed && $0.waiting.isEmpty && $0.active.isEmpty
                }
                if isOver { return }
                wake.wait()
                continue
            }
            do throws(GenerationError) {
                for outcome in try generator.step() { finish(outcome.id, outcome.result) }
            } catch {
                preconditionFailure("a step that nobody can cancel ended in \(error)")
            }
        }
    }

    private func startLoaded() {
        let entries = state.withLock { state in
            defer { state.loaded.removeAll() }
            return state.loaded.compactMap { request in
                state.active[request.id].map { (request, $0) }
            }
        }
        for (request, entry) in entries {
            let continuation = entry.continuation
            do throws(GenerationError) {
                try generator.start(request, cancellation: entry.cancellation) { event in
                    continuation.yield(Engine.Event(event))
                }
            } catch {
                finish(entry.id, .failure(error))
            }
        }
    }

    private func finish(_ id: Int, _ result: Result<Answer, GenerationError>) {
        guard let entry = state.withLock({ $0.active.removeValue(forKey: id) }) else { return }
        switch result {
        case .success(var answer):
            answer.statistics.tilingSeconds = entry.loadSeconds
            entry.continuation.yield(.finished(answer))
            entry.continuation.finish()
        case .failure(let error): entry.continuation.finish(throwing: error)
        }
        activate()
    }
}

extension Engine.Event {
    fileprivate init(_ event: BatchGenerator.Event) {
        self =
            switch event {
            case .encoding(let picture, let count, let done):
                .encoding(picture: picture, of: count, done: done)
            case .reading(let done): .reading(done: done)
            case .text(let piece): .text(piece)
            }
    }
}
