// SPDX-License-Identifier: Apache-2.0
import Pictures
import Synchronization
import TestSupport
import Testing
import TokenPruning
import Tokenization

@testable import Generation

/// Requests of many tasks on one engine.
@Suite struct EngineTests {
    private let loaded: LoadedModel

    init() throws { loaded = try LoadedModel(TinyPair(), context: 120) }

    private func engine(parallel: Int = 3, rows: Int = 500, queued: Int = 256) throws -> Engine {
        try Engine(
            model: loaded.model, tokenizer: loaded.tokenizer,
            options: Engine.Options(parallel: parallel, cacheRows: rows, mostQueued: queued))
    }

    private func request(
        _ request: BatchGenerator.Request, tokens: Int? = nil
    ) -> Engine.Request {
        var options = request.options
        if let tokens { options.maxNewTokens = tokens }
        return Engine.Request(
            prompt: request.prompt,
            pictures: request.tiles.map { tiles in Engine.Picture { tiles } }, options: options,
            isStreamed: request.isStreamed, isContinued: request.isContinued)
    }

    /// A picture, and an answer of as many tokens as fit.
    private func longRequest() -> Engine.Request {
        let tiles = loaded.tiles(width: 30, height: 30)
        return Engine.Request(
            prompt: [.tokens([263, 264]), .picture(0), .tokens([265])],
            pictures: [Engine.Picture { tiles }],
            options: GenerationOptions(maxNewTokens: 90, ignoresEndOfSequence: true))
    }

    @Test func eventsComeInOrder() async throws {
        let engine = try engine()
        var stages: [String] = []
        var text = ""
        var answer: Answer?
        for try await event in try engine.submit(longRequest()).events {
            let stage =
                switch event {
                case .queued: "queued"
                case .encoding: "encoding"
                case .reading: "reading"
                case .text: "text"
                case .finished: "finished"
                }
            if stages.last != stage { stages.append(stage) }
            if case .text(let piece) = event { text += piece }
            if case .finished(let whole) = event { answer = whole }
        }
        #expect(stages == ["queued", "encoding", "reading", "text", "finished"])
        #expect(answer?.text == text && answer?.tokens.count == 90)
    }

    /// Hundreds of requests of several tasks, some of them given up on at any time.
    @Test(arguments: 0..<3)
    func everyAnswerIsTheLoneOne(seed: Int) async throws {
        let engine = try engine(parallel: 1 + 3 * seed, rows: 200 + 200 * seed)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    var requests = RandomRequests(loaded, seed: UInt64(100 * seed + task))
                    for id in 0..<15 {
                        let made = requests.next(id)
                        let ticket = try engine.submit(request(made))
                        let givesUpAfter =
                            requests.number(below: 4) == 0 ? requests.number(below: 6) : nil
                        var (events, found) = (0, Answer?.none)
                        do {
                            for try await event in ticket.events {
                                events += 1
                                if events == givesUpAfter { engine.cancel(ticket.id) }
                                if case .finished(let answer) = event { found = answer }
                            }
                        } catch GenerationError.model(.cancelled) {
                            #expect(givesUpAfter != nil)
                            continue
                        } catch {
                            #expect(throws: GenerationError.self) {
                                try requests.alone(made).get()
                            }
                            continue
                        }
                        let expected = try requests.alone(made).get()
                        #expect(try #require(found).agrees(with: expected))
                    }
                }
            }
            try await group.waitForAll()
        }
        await engine.shutDown(draining: true)
        #expect(engine.status.active == 0 && engine.status.queued == 0)
    }

    @Test func aRequestIsCancelledAtEveryStage() async throws {
        let engine = try engine(parallel: 1)
        for stage in 0..<4 {
            let other = try engine.submit(longRequest())
            let ticket = try engine.submit(longRequest())
            var isReached = stage == 0
            if isReached { engine.cancel(ticket.id) }
            do {
                for try await event in ticket.events {
                    switch (stage, event) {
                    case (1, .encoding), (2, .reading), (3, .text):
                        isReached = true
                        engine.cancel(ticket.id)
                    case (_, .finished(let answer)):
                        // An answer that has begun is cut short, or was faster.
                        #expect([.cancelled, .length].contains(answer.stopReason))
                    default: break
                    }
                }
            } catch GenerationError.model(.cancelled) {
                #expect(stage < 3)
            }
            #expect(isReached)
            #expect(try await other.answer().tokens.count == 90)
        }
        await engine.shutDown(draining: true)
    }

    /// Ending the iteration gives the place back.
    @Test func whoeverStopsListeningIsCancelled() async throws {
        let engine = try engine(parallel: 1)
        for try await event in try engine.submit(longRequest()).events {
            if case .text = event { break }
        }
        let answer = try await engine.submit(longRequest()).answer()
        #expect(answer.tokens.count == 90)
        while engine.status.active > 0 { await Task.yield() }
    }

    @Test func aFullQueueRefuses() async throws {
        let engine = try engine(parallel: 1, queued: 2)
        var tickets: [Engine.Ticket] = []
        let refusal = #expect(throws: GenerationError.self) {
            while true { tickets.append(try engine.submit(longRequest())) }
        }
        #expect(refusal == .queueFull(limit: 2))
        // One is answered, two are loaded ahead, two wait; whoever was faster makes room for more.
        #expect(tickets.count >= 5)
        for ticket in tickets { #expect(try await ticket.answer().tokens.count == 90) }
    }

    @Test func aPictureThatCannotBeLoadedFailsAlone() async throws {
        let engine = try engine()
        var damaged = longRequest()
        damaged.pictures = [
            Engine.Picture { () throws(GenerationError) in
                throw .picture(.preprocessor(reason: "damaged"))
            }
        ]
        let whole = try engine.submit(longRequest())
        await #expect(throws: GenerationError.picture(.preprocessor(reason: "damaged"))) {
            try await engine.submit(damaged).answer()
        }
        #expect(try await whole.answer().tokens.count == 90)
    }

    /// A picture that is known by its key is neither loaded nor encoded again.
    @Test func aKnownPictureIsNotLoadedAgain() async throws {
        let engine = try engine()
        let tiles = loaded.tiles(width: 30, height: 30)
        let loads = Mutex(0)
        var asked = longRequest()
        asked.pictures = [
            Engine.Picture(key: RandomRequests.key(3)) {
                loads.withLock { $0 += 1 }
                return tiles
            }
        ]
        let first = try await engine.submit(asked).answer()
        let second = try await engine.submit(asked).answer()
        #expect(first.tokens == second.tokens)
        #expect(loads.withLock(\.self) == 1)
        #expect(second.statistics.visionSeconds == 0)
    }

    /// What a merging looks at is there for a picture that was encoded for another question, and on threads of its own.
    @Test(arguments: [TokenMerging.prumerge, .visionzip], [0, 1])
    func aMergingGetsWhatItLooksAt(merging: TokenMerging, encodingThreads: Int) async throws {
        var options = Engine.Options(parallel: 1, cacheRows: 500)
        options.encodingThreads = encodingThreads
        let engine = try Engine(
            model: loaded.model, tokenizer: loaded.tokenizer, options: options)
        let tiles = loaded.tiles(width: 30, height: 30)
        func answer(_ merging: TokenMerging, _ key: PictureKey?) async throws -> [TokenID] {
            var asked = longRequest()
            asked.pictures = [Engine.Picture(key: key) { tiles }]
            asked.options.pruning = PruningOptions(
                budget: .count(2), selector: "uniform", merging: merging)
            return try await engine.submit(asked).answer().tokens
        }
        let alone = try await answer(merging, nil)
        let known = RandomRequests.key(3)
        _ = try await answer(.none, known)
        #expect(try await answer(merging, known) == alone)
    }

    @Test(arguments: [true, false])
    func aClosedEngineTakesNothing(draining: Bool) async throws {
        let engine = try engine(parallel: 2)
        let tickets = try (0..<6).map { _ in try engine.submit(longRequest()) }
        await engine.shutDown(draining: draining)
        #expect(throws: GenerationError.closed) { try engine.submit(longRequest()) }
        var answered = 0
        for ticket in tickets {
            if let answer = try? await ticket.answer(), answer.stopReason == .length {
                answered += 1
            }
        }
        #expect(draining ? answered == 6 : answered < 6)
    }
}
