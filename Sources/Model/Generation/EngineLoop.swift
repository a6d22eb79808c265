// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Imaging
import Pictures
import Synchronization
import TokenPruning
import Weights

/// An engine's thread, and the requests on their way to it and back.
///
/// A request waits in order of arrival, is loaded on a second thread shortly before its turn, is encoded on a third one
/// if there are threads for that, and then belongs to the generator. The generator is touched by the loop's thread
/// alone.
final class EngineLoop: @unchecked Sendable {
    /// Who is told what happens to a request.
    struct Observer: Sendable {
        let onEvent: @Sendable (Engine.Event) -> Void
        let onEnd: @Sendable (Result<Answer, GenerationError>) -> Void
    }

    /// A request and who waits for it.
    private struct Entry {
        let id: Int
        let request: Engine.Request
        let cancellation: Cancellation
        let observer: Observer
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
                entry.observer.onEvent(.queued(place: active.count + place))
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
    let mostActive: Int
    private let state: Mutex<State>
    private let wake = DispatchSemaphore(value: 0)
    private let loading = DispatchQueue(label: "trimllava.loading", qos: .userInitiated)
    /// Encodes pictures on threads of its own; nil where the generator does, between its steps.
    private let encoder: (any PictureEncoder)?
    private let encoding = DispatchQueue(label: "trimllava.encoding", qos: .userInitiated)
    /// The tiles of the last request that had pictures with keys, which often have more questions asked about them.
    private let lastTiles = Mutex<[PictureKey: TileBatch]>([:])

    init(_ generator: BatchGenerator, mostQueued: Int, encoder: (any PictureEncoder)?) {
        self.generator = generator
        self.encoder = encoder
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
            let usage = generator.pool.usage
            status.takenPages = usage.taken
            status.mostCacheBytes = generator.pool.byteCount(pages: usage.mostTaken)
            return status
        }
    }

    /// - Parameter cancellation: ends the request once its turn has come.
    func submit(
        _ request: Engine.Request, _ cancellation: Cancellation, _ observer: Observer
    ) throws(GenerationError) -> Int {
        let limit = mostQueued
        let result = state.withLock { state -> Result<Int, GenerationError> in
            guard !state.isClosed else { return .failure(.closed) }
            guard state.waiting.count < limit else { return .failure(.queueFull(limit: limit)) }
            let id = state.nextID
            state.nextID += 1
            observer.onEvent(.queued(place: state.waiting.count + state.active.count))
            state.waiting.append(
                Entry(
                    id: id, request: request,
                    cancellation: Cancellation(cancellation, orAll: []), observer: observer))
            return .success(id)
        }
        let id = try result.get()
        activate()
        return id
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
        dropped?.observer.onEnd(.failure(.model(.cancelled)))
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
        for entry in dropped { entry.observer.onEnd(.failure(.model(.cancelled))) }
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
            let given = entry.request.pictures.compactMap(\.given)
            if given.count == entry.request.pictures.count {
                pass(entry, given, seconds: 0)
            } else {
                loading.async { [self] in load(entry) }
            }
        }
    }

    /// Takes the pictures of a request from the cache, or from where they are.
    private func load(_ entry: Entry) {
        let start = ContinuousClock.now
        do throws(GenerationError) {
            let needs = (try entry.request.options.pruning?.needs() ?? [])
                .union(entry.request.pictureNeeds)
            var inputs: [BatchGenerator.PictureInput] = []
            for picture in entry.request.pictures {
                try modelled { () throws(ModelError) in try entry.cancellation.check() }
                inputs.append(try input(of: picture, needs))
            }
            remember(inputs)
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            guard let encoder else { return pass(entry, inputs, seconds: seconds) }
            encoding.async { [self, inputs] in
                encode(entry, inputs, needs, by: encoder, loadSeconds: seconds)
            }
        } catch {
            finish(entry.id, .failure(error))
            wake.signal()
        }
    }

    private func input(
        of picture: Engine.Picture, _ needs: Set<SelectionNeed>
    ) throws(GenerationError) -> BatchGenerator.PictureInput {
        switch picture.source {
        case .given(let input): return input
        case .loaded(let load):
            guard let key = picture.key else { return .tiles(try load()) }
            if let known = pictures.picture(key, for: needs) { return .encoded(known) }
            if let tiles = lastTiles.withLock({ $0[key] }) { return .tiles(tiles, key: key) }
            return .tiles(try load(), key: key)
        }
    }

    /// Keeps tiles for the next request; those of the one before go.
    private func remember(_ inputs: [BatchGenerator.PictureInput]) {
        var tiles: [PictureKey: TileBatch] = [:]
        for case .tiles(let batch, let key?) in inputs { tiles[key] = batch }
        lastTiles.withLock { $0 = tiles }
    }

    private func encode(
        _ entry: Entry, _ inputs: [BatchGenerator.PictureInput], _ needs: Set<SelectionNeed>,
        by encoder: any PictureEncoder, loadSeconds: Double
    ) {
        do throws(GenerationError) {
            var encoded: [BatchGenerator.PictureInput] = []
            for (index, input) in inputs.enumerated() {
                guard case .tiles(let tiles, let key) = input else {
                    encoded.append(input)
                    continue
                }
                if let known = key.flatMap({ pictures.picture($0, for: needs) }) {
                    encoded.append(.encoded(known))
                    continue
                }
                let picture = try encoder.encode(
                    tiles, needs: needs, key: key, cancellation: entry.cancellation
                ) { done in
                    entry.observer.onEvent(.encoding(picture: index, of: inputs.count, done: done))
                }
                pictures.insert(picture)
                encoded.append(.encoded(picture))
            }
            pass(entry, encoded, seconds: loadSeconds)
        } catch {
            finish(entry.id, .failure(error))
            wake.signal()
        }
    }

    private func pass(
        _ entry: Entry, _ inputs: [BatchGenerator.PictureInput], seconds: Double
    ) {
        let asked = entry.request
        var request = BatchGenerator.Request(
            id: entry.id, prompt: asked.prompt, pictures: inputs, question: asked.question,
            pictureQuestions: asked.pictures.map { $0.question ?? asked.question },
            options: asked.options, isStreamed: asked.isStreamed,
            isContinued: asked.isContinued, pictureNeeds: asked.pictureNeeds)
        request.saidRows = asked.saidRows
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
                waitForRequests()
            } else {
                step()
            }
        }
    }

    private func waitForRequests() {
        let start = ContinuousClock.now
        let isLoading = state.withLock { !$0.active.isEmpty }
        wake.wait()
        guard isLoading else { return }
        state.withLock { $0.status.waitingSeconds += (ContinuousClock.now - start) / .seconds(1) }
    }

    private func step() {
        let (start, encodingBefore) = (ContinuousClock.now, generator.encodingSeconds)
        let outcomes: [BatchGenerator.Outcome]
        do throws(GenerationError) {
            outcomes = try generator.step()
        } catch {
            preconditionFailure("a step that nobody can cancel ended in \(error)")
        }
        let encoding = generator.encodingSeconds - encodingBefore
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        state.withLock { state in
            state.status.encodingSeconds += encoding
            state.status.decoderSeconds += seconds - encoding
        }
        for outcome in outcomes { finish(outcome.id, outcome.result) }
    }

    private func startLoaded() {
        let entries = state.withLock { state in
            defer { state.loaded.removeAll() }
            return state.loaded.compactMap { request in
                state.active[request.id].map { (request, $0) }
            }
        }
        for (request, entry) in entries {
            let tell = entry.observer.onEvent
            let observer = RequestObserver(
                onEvent: { tell(Engine.Event($0)) }, onPictures: entry.request.onPictures,
                recorder: entry.request.recorder)
            do throws(GenerationError) {
                try generator.start(request, cancellation: entry.cancellation, observer)
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
            entry.observer.onEvent(.finished(answer))
            entry.observer.onEnd(.success(answer))
        case .failure(let error): entry.observer.onEnd(.failure(error))
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
