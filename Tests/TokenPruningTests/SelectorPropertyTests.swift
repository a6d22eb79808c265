// SPDX-License-Identifier: Apache-2.0
import TensorOps
import TestSupport
import Testing
import TokenPruning

@Suite("What holds for every selector")
struct SelectorPropertyTests {
    /// Tokens drawn at random, without special properties.
    private func randomInput(
        _ count: Int, width: Int = 32, textTokens: Int = 4, seed: UInt64 = 1
    ) -> SelectionInput {
        var random = SeededGenerator(seed: seed)
        func draw(_ rows: Int, _ width: Int) -> Activations {
            let numbers = (0..<(rows * width)).map { _ in Float.random(in: -1...1, using: &random) }
            return Activations(numbers, width: width)
        }
        return SelectionInput(
            embeddings: draw(count, width), features: draw(count, 16),
            attention: (0..<count).map { _ in Float.random(in: 0...1, using: &random) },
            receivedAttention: ReceivedAttention(
                middle: (0..<count).map { _ in Float.random(in: 0...1, using: &random) },
                last: (0..<count).map { _ in Float.random(in: 0...1, using: &random) }),
            text: draw(textTokens, width), places: PruningCase.places(of: count))
    }

    @Test func keepsWhatWasAskedForInOrder() throws {
        let ops = try makeOps()
        for count in [2, 3, 15, 97, 193] {
            let input = randomInput(count)
            for selector in TokenSelectors.all() {
                for keep in Set([1, 2, count / 2, count - 1]) where keep > 0 {
                    let kept = try selector.select(input, keep: keep, ops: ops).indices
                    #expect(kept.count == min(keep, count), "\(selector.info.name)")
                    #expect(kept == Set(kept).sorted())
                    #expect(kept.allSatisfy { (0..<count).contains($0) })
                }
            }
        }
    }

    @Test func refusesToKeepNothing() throws {
        let ops = try makeOps()
        for selector in TokenSelectors.all() {
            for keep in [0, -1, .min] {
                #expect(throws: PruningError.keepsNothing(keep: keep)) {
                    try selector.select(randomInput(4), keep: keep, ops: ops)
                }
            }
        }
    }

    @Test func keepsAllWhereThereAreNoMore() throws {
        let ops = try makeOps()
        for selector in TokenSelectors.all() {
            for count in [0, 1, 5] {
                for keep in [max(1, count), count + 1, .max] {
                    let kept = try selector.select(randomInput(count), keep: keep, ops: ops)
                    #expect(kept.indices == Array(0..<count))
                }
            }
        }
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity, 3e30])
    func refusesNumbersThatCannotBeCompared(number: Float) throws {
        let (ops, clean) = (try makeOps(), randomInput(40))
        for selector in TokenSelectors.all() where selector.info.isContentAware {
            let embeddings = clean.embeddings.copy(rows: 0..<40)
            embeddings.row(39)[31] = number
            let features = try #require(clean.features).copy(rows: 0..<40)
            features.row(7)[15] = number
            let spoiled = SelectionInput(
                embeddings: embeddings, features: features,
                attention: clean.attention, text: clean.text, places: clean.places)
            #expect(throws: PruningError.self, "\(selector.info.name)") {
                try selector.select(spoiled, keep: 8, ops: ops)
            }
        }
    }

    @Test func namesTheInputThatIsNotFinite() throws {
        let (ops, clean) = (try makeOps(), randomInput(40))
        func spoiled(_ rows: Activations?) throws -> Activations {
            let copy = try #require(rows).copy(rows: 0..<(try #require(rows).rows))
            copy.row(1)[3] = .nan
            return copy
        }
        let spoiledText = SelectionInput(
            embeddings: clean.embeddings, features: clean.features,
            attention: clean.attention, text: try spoiled(clean.text))
        for selector in TokenSelectors.all() where selector.info.needs.contains(.text) {
            #expect(throws: PruningError.notFinite(input: "text embeddings")) {
                try selector.select(spoiledText, keep: 8, ops: ops)
            }
        }
    }

    @Test func zerosAndCopiesAreTokensLikeOthers() throws {
        let ops = try makeOps()
        let rows = Activations([Float](repeating: 0, count: 20 * 8), width: 8)
        let attention = [Float](repeating: 0, count: 20)
        // In tiles of their own, tokens have no neighbours.
        let places = (0..<20).map { TokenPlace(tile: $0, row: 0, column: 0) }
        let blank = SelectionInput(
            embeddings: rows, features: rows, attention: attention, text: rows, places: places)
        let copies = Activations([Float](repeating: 0.3, count: 20 * 8), width: 8)
        let same = SelectionInput(
            embeddings: copies, features: copies,
            attention: [Float](repeating: 0.5, count: 20), text: copies, places: places)
        for selector in TokenSelectors.all() where selector.info.isContentAware {
            for input in [blank, same] {
                let kept = try selector.select(input, keep: 7, ops: ops).indices
                #expect(kept == Array(0..<7), "\(selector.info.name)")
            }
        }
    }

    @Test func anotherOrderKeepsTheSameTokens() throws {
        let (ops, input) = (try makeOps(), randomInput(96))
        var random = SeededGenerator(seed: 5)
        let order = Array(0..<96).shuffled(using: &random)
        func shuffled(_ rows: Activations) -> Activations {
            Activations(
                order.flatMap { Array(rows.copy(rows: $0..<($0 + 1)).array) }, width: rows.width)
        }
        let reordered = SelectionInput(
            embeddings: shuffled(input.embeddings),
            features: shuffled(try #require(input.features)),
            attention: order.map { input.attention?[$0] ?? 0 }, text: input.text,
            places: try order.map { try #require(input.places)[$0] })
        for selector in TokenSelectors.all() where selector.info.ignoresOrder {
            let kept = try selector.select(input, keep: 24, ops: ops).indices
            let again = try selector.select(reordered, keep: 24, ops: ops).indices
            #expect(again.map { order[$0] }.sorted() == kept, "\(selector.info.name)")
        }
    }

    @Test func saysThatItHadNoQuestion() throws {
        let (ops, input) = (try makeOps(), randomInput(30))
        let empty = Activations(rows: 0, width: 32)
        for selector in TokenSelectors.all() {
            for text in [nil, empty] {
                let silent = SelectionInput(
                    embeddings: input.embeddings, features: input.features,
                    attention: input.attention, receivedAttention: input.receivedAttention,
                    text: text, places: input.places)
                let kept = try selector.select(silent, keep: 5, ops: ops)
                #expect(kept.lacksQuestion == selector.info.isQuestionAware)
            }
            #expect(try !selector.select(input, keep: 5, ops: ops).lacksQuestion)
        }
    }

    @Test func refusesAnInputThatLacksWhatItNeeds() throws {
        let ops = try makeOps()
        let bare = SelectionInput(embeddings: randomInput(9).embeddings)
        for selector in TokenSelectors.all() {
            let required = [SelectionNeed.features, .attention, .receivedAttention, .places]
            guard let need = required.first(where: selector.info.needs.contains) else { continue }
            #expect(throws: PruningError.missingInput(selector: selector.info.name, need: need)) {
                try selector.select(bare, keep: 3, ops: ops)
            }
        }
    }

    @Test func refusesInputsThatDoNotBelongTogether() throws {
        let (ops, input) = (try makeOps(), randomInput(9))
        let narrow = SelectionInput(
            embeddings: input.embeddings, text: Activations(rows: 2, width: 31))
        #expect(
            throws: PruningError.shapeMismatch(
                input: "width of the text embeddings", found: 31, expected: 32)
        ) {
            try TrimTokenator().select(narrow, keep: 3, ops: ops)
        }
    }

    @Test func refusesAttentionThatIsNotFinite() throws {
        let (ops, clean) = (try makeOps(), randomInput(9))
        let received = try #require(clean.receivedAttention)
        var attention = try #require(clean.attention)
        attention[8] = .nan
        var spoiled = received
        spoiled.last[3] = .infinity
        let input = SelectionInput(
            embeddings: clean.embeddings, attention: attention, receivedAttention: spoiled,
            places: clean.places)
        for selector in ["visionzip-select", "todre", "hiprune"] {
            #expect(throws: PruningError.notFinite(input: "attention")) {
                try TokenSelectors.named(selector).select(input, keep: 3, ops: ops)
            }
        }
        let short = SelectionInput(
            embeddings: clean.embeddings,
            receivedAttention: ReceivedAttention(middle: received.middle, last: []),
            places: clean.places)
        #expect(
            throws: PruningError.shapeMismatch(
                input: "number of rows of the attention", found: 0, expected: 9)
        ) {
            try HiPrune().select(short, keep: 3, ops: ops)
        }
    }

    /// Places that coincide give an anchor more neighbours than are kept.
    @Test func keepsNoMoreNeighboursThanAskedFor() throws {
        let input = randomInput(60)
        let crowded = SelectionInput(
            embeddings: input.embeddings, receivedAttention: input.receivedAttention,
            places: [TokenPlace](repeating: TokenPlace(tile: 0, row: 0, column: 0), count: 60))
        let kept = try HiPrune().select(crowded, keep: 30, ops: makeOps()).indices
        #expect(kept == Array(0..<30))
    }

    @Test func namesAreThoseOfTheTable() throws {
        #expect(Set(TokenSelectors.names).count == TokenSelectors.names.count)
        for name in TokenSelectors.names {
            #expect(try TokenSelectors.named(name).info.name == name)
        }
        #expect(
            throws: PruningError.unknownSelector(name: "fastv", available: TokenSelectors.names)
        ) {
            try TokenSelectors.named("fastv")
        }
        for share in [-0.1, 1.1, .nan, .infinity] {
            #expect(throws: PruningError.self) {
                try TokenSelectors.named("trimtokenator", SelectorOptions(alignedShare: share))
            }
        }
    }
}

extension SelectorInfo {
    /// Whether the tokens' numbers matter at all.
    fileprivate var isContentAware: Bool {
        !["random", "uniform", "visionzip-select", "hiprune"].contains(name)
    }
    /// Whether a token's place among the others matters.
    fileprivate var ignoresOrder: Bool { isContentAware }
}
