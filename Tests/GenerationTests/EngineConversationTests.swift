// SPDX-License-Identifier: Apache-2.0
import Dispatch
import TestSupport
import Testing
import TokenPruning
import Tokenization

@testable import Generation
@testable import Imaging
@testable import Pictures

/// What servers ask of an engine: places in the queue, and conversations that come again.
@Suite struct EngineConversationTests {
    private let loaded: LoadedModel

    init() throws { loaded = try LoadedModel(TinyPair(), context: 120) }

    private func engine(parallel: Int) throws -> Engine {
        try Engine(
            model: loaded.model, tokenizer: loaded.tokenizer,
            options: Engine.Options(parallel: parallel, cacheRows: 500))
    }

    /// A picture between two texts.
    private func request(
        _ picture: Engine.Picture, keep: Int? = nil, question: [TokenID] = []
    ) -> Engine.Request {
        var options = GenerationOptions(maxNewTokens: 8, ignoresEndOfSequence: true)
        options.pruning = keep.map { PruningOptions(budget: .count($0), selector: "mmtok") }
        return Engine.Request(
            prompt: [.tokens([263, 264]), .picture(0), .tokens([265])], pictures: [picture],
            question: question, options: options, isContinued: true)
    }

    /// Those who wait are told when others before them are gone.
    @Test func placesAreToldAsTheQueueMoves() async throws {
        let engine = try engine(parallel: 1)
        let gate = DispatchSemaphore(value: 0)
        let tiles = loaded.tiles(width: 30, height: 30)
        // One is in work and two are loaded ahead; none of them comes past the gate.
        var tickets: [Engine.Ticket] = []
        for _ in 0..<6 {
            tickets.append(
                try engine.submit(
                    request(
                        Engine.Picture {
                            gate.wait()
                            return tiles
                        })))
        }
        engine.cancel(tickets[3].id)
        engine.cancel(tickets[4].id)
        var places: [Int] = []
        for try await event in tickets[5].events {
            if case .queued(let place) = event { places.append(place) }
            if places.count == 3 { break }
        }
        #expect(places == [5, 4, 3])
        for _ in tickets { gate.signal() }
        await engine.shutDown(draining: true)
    }

    /// The question that a picture came with decides what is kept of it, not the last one.
    @Test func picturesKeepTheirOwnQuestions() async throws {
        let engine = try engine(parallel: 2)
        let tiles = loaded.tiles(width: 30, height: 30)
        let (first, other): ([TokenID], [TokenID]) = ([270, 271], [280])
        let alone = try await engine.submit(
            request(Engine.Picture { tiles }, keep: 2, question: first)
        ).answer()
        let later = try await engine.submit(
            request(Engine.Picture(question: first) { tiles }, keep: 2, question: other)
        ).answer()
        #expect(later.selections == alone.selections && later.tokens == alone.tokens)
    }

    /// Rows that the cache has are counted, and only those that it had before the request came.
    @Test func sharedRowsAreCounted() async throws {
        let engine = try engine(parallel: 2)
        let tiles = loaded.tiles(width: 30, height: 30)
        let picture = Engine.Picture(key: RandomRequests.key(7)) { tiles }
        let first = try await engine.submit(request(picture)).answer()
        #expect(first.statistics.sharedRows == 0)
        var next = request(picture)
        next.prompt += [.tokens(first.tokens), .tokens([266])]
        let second = try await engine.submit(next).answer()
        #expect(second.statistics.sharedRows >= first.statistics.promptRows)
        #expect(second.statistics.sharedRows < second.statistics.promptRows)
    }

    /// Rows into which others were averaged are not those of the same picture without that.
    @Test func mergedRowsAreKnownByWhatWasMerged() async throws {
        let tiles = loaded.tiles(width: 30, height: 30)
        func request(_ merging: TokenMerging) -> Engine.Request {
            var request = self.request(Engine.Picture(key: RandomRequests.key(7)) { tiles })
            request.options.pruning = PruningOptions(budget: .count(2), merging: merging)
            return request
        }
        func answer(_ merging: TokenMerging, _ engine: Engine) async throws -> Answer {
            try await engine.submit(request(merging)).answer()
        }
        let used = try engine(parallel: 1)
        let plain = try await answer(.none, used)
        // Two rows of text come before the picture.
        #expect(try await answer(.none, used).statistics.sharedRows > 2)
        let merged = try await answer(.mean, used)
        #expect(merged.statistics.sharedRows <= 2 && merged.selections == plain.selections)
        #expect(merged.tokens == (try await answer(.mean, engine(parallel: 1)).tokens))
        #expect(try await answer(.mean, used).statistics.sharedRows > 2)
    }

    /// A prompt is checked without its pictures as it is with them.
    @Test func promptsAreCheckedBeforeTheirPictures() async throws {
        let tiles = loaded.tiles(width: 30, height: 30)
        let size = PixelSize(width: 30, height: 30)
        let engine = try engine(parallel: 1)
        let asked = request(Engine.Picture { tiles })
        let rows = try loaded.model.check(
            asked.prompt, pictures: [loaded.model.pictureEncoder.plan(size)],
            options: asked.options)
        let answer = try await engine.submit(asked).answer()
        #expect(rows.all == answer.statistics.promptRows)
        #expect(rows.visual == answer.statistics.visualRows)
        #expect(rows.withAnswer == rows.all + 8)
        let long = asked.prompt + [.tokens(Array(repeating: 266, count: 120))]
        #expect(throws: GenerationError.self) {
            try loaded.model.check(
                long, pictures: [loaded.model.pictureEncoder.plan(size)], options: asked.options)
        }
    }
}
