// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import TensorOps
import TestSupport
import Testing
import Tokenization

@testable import Decoder
@testable import Families
@testable import Generation
@testable import Imaging
@testable import Pictures
@testable import Weights

/// Answers whose first rows come from a file: bit for bit those without it.
@Suite struct StoredPrefixTests {
    private let folder: TemporaryFolder
    private let warnings = Warnings()
    private var packing: PackingOptions {
        let warnings = warnings
        return PackingOptions(cacheFolder: folder.path + "/cache", onWarning: warnings.add)
    }

    init() throws { folder = try TemporaryFolder() }

    private func files() throws -> [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path + "/cache")
        return (names ?? []).filter { $0.hasSuffix(".prefix") }
    }

    private func answer(
        _ loaded: LoadedModel, _ prompt: [PromptPiece], _ tiles: [TileBatch],
        _ format: CacheFormat = .f16, steps: Int = 6
    ) throws -> (recorder: StageRecorder, answer: Answer) {
        let conversation = try LoneConversation(loaded, cacheFormat: format)
        let recorder = StageRecorder()
        let answer = try conversation.answer(
            prompt, pictures: tiles,
            options: GenerationOptions(maxNewTokens: steps, ignoresEndOfSequence: true),
            recorder: recorder)
        return (recorder, answer)
    }

    private func expectEqual(
        _ found: (recorder: StageRecorder, answer: Answer),
        _ expected: (recorder: StageRecorder, answer: Answer)
    ) {
        #expect(found.recorder.logits.values == expected.recorder.logits.values)
        #expect(found.recorder.tokens == expected.recorder.tokens)
        #expect(found.recorder.positions == expected.recorder.positions)
        #expect(found.answer.tokens == expected.answer.tokens)
        #expect(found.answer.text == expected.answer.text)
        let statistics = (found.answer.statistics, expected.answer.statistics)
        #expect(statistics.0.promptRows == statistics.1.promptRows)
        #expect(statistics.0.cacheRows == statistics.1.cacheRows)
        #expect(statistics.0.cacheBytes == statistics.1.cacheBytes)
    }

    /// Golden prompts, with a longer text before them.
    @Test(arguments: GoldenCase.all.filter { $0.name != "text" }, CacheFormat.allCases)
    func goldenModelsGiveTheSameLogits(golden: GoldenCase, format: CacheFormat) throws {
        let plain = try LoadedModel(golden)
        let headWidth = plain.model.decoder.config.attention.headWidth
        guard headWidth % format.widthMultiple == 0 else { return }
        let tiles = try plain.tiles(golden)
        let start = (0..<21).map { TokenID(3 + $0 % 9) }
        let prompt = [.tokens(start)] + (try plain.prompt(golden, tiles))
        let expected = try answer(plain, prompt, tiles, format)
        #expect(expected.answer.statistics.storedRows == 0)
        let text = prompt.prefix { if case .tokens = $0 { true } else { false } }.flatMap { piece in
            if case .tokens(let tokens) = piece { tokens } else { [TokenID]() }
        }
        for storedRows in [0, text.count] {
            // A newly loaded model stands for a new start of the program.
            let loaded = try LoadedModel(golden, packing: packing)
            let found = try answer(loaded, prompt, tiles, format)
            expectEqual(found, expected)
            #expect(found.answer.statistics.storedRows == storedRows)
        }
        #expect(try files().count == 1 && warnings.all.isEmpty)
    }

    private let start = (0..<37).map { TokenID(263 + $0 % 7) }

    private func about(_ picture: Bool, _ more: TokenID...) -> [PromptPiece] {
        [.tokens(start)] + (picture ? [.picture(0)] : []) + [.tokens(more)]
    }

    /// A pair of files that stays, as a start of the program finds it.
    private func writePair(_ pair: TinyPair = TinyPair()) throws {
        try folder.write(pair.text.image().bytes, to: "text.gguf")
        try folder.write(pair.projector.image().bytes, to: "mmproj.gguf")
    }

    private func load(context: Int = 120, stores: Bool = true) throws -> LoadedModel {
        try LoadedModel(
            text: folder.path + "/text.gguf", projector: folder.path + "/mmproj.gguf",
            context: context, packing: stores ? packing : PackingOptions())
    }

    /// A prompt without a picture, one that goes another way, and one that is the stored rows alone.
    @Test func otherPromptsTakeWhatTheyShare() throws {
        try writePair()
        let plain = try load(stores: false)
        let tiles = [plain.tiles(width: 30, height: 30)]
        _ = try answer(try load(), about(true, 270), tiles)
        let stored = try files()
        let prompts: [(prompt: [PromptPiece], tiles: [TileBatch], rows: Int)] = [
            (about(false, 275, 276), [], 37),
            ([.tokens(Array(start.prefix(20)) + [280, 281, 282])], [], 20),
            ([.tokens(start)], [], 36),
            ([.tokens(Array(start.prefix(20)) + [280]), .picture(0), .tokens([281])], tiles, 20),
            ([.tokens(Array(start.prefix(15)) + [280, 281])], [], 0),
        ]
        for (prompt, tiles, rows) in prompts {
            let found = try answer(load(), prompt, tiles)
            expectEqual(found, try answer(plain, prompt, tiles))
            #expect(found.answer.statistics.storedRows == rows)
        }
        #expect(try files() == stored && warnings.all.isEmpty)
    }

    /// Every answer of a batch has the rows of the file, and later turns of a chat none of their own.
    @Test func batchesAndChatsStartWithStoredRows() throws {
        try writePair()
        let plain = try load(stores: false)
        let tiles = [plain.tiles(width: 30, height: 30)]
        _ = try answer(try load(), about(true, 270), tiles)
        let loaded = try load()
        let generator = try BatchGenerator(
            model: loaded.model, tokenizer: loaded.tokenizer, parallel: 3, cacheRows: 400)
        let options = GenerationOptions(maxNewTokens: 6, ignoresEndOfSequence: true)
        for id in 0..<4 {
            try generator.start(
                BatchGenerator.Request(
                    id: id, prompt: about(true, TokenID(270 + id)), pictures: tiles,
                    options: options))
        }
        var found: [Int: Answer] = [:]
        while found.count < 4 {
            for outcome in try generator.step() { found[outcome.id] = try outcome.result.get() }
        }
        for (id, answer) in found {
            let alone = try self.answer(plain, about(true, TokenID(270 + id)), tiles).answer
            #expect(answer.tokens == alone.tokens && answer.statistics.storedRows == 37)
        }
        let conversation = try LoneConversation(loaded)
        let turns = try [about(true, 270), [.tokens([271, 272])]].map { prompt in
            try conversation.answer(
                prompt, pictures: conversation.isEmpty ? tiles : [], options: options
            ).statistics.storedRows
        }
        #expect(turns == [37, 0])
    }

    @Test func otherWeightsFormatsAndSettingsHaveRowsOfTheirOwn() throws {
        try writePair()
        let tiles = [try load(stores: false).tiles(width: 30, height: 30)]
        func storedRows(_ format: CacheFormat = .f16, context: Int = 120) throws -> Int {
            let found = try answer(load(context: context), about(true, 270), tiles, format)
            let plain = try load(context: context, stores: false)
            expectEqual(found, try answer(plain, about(true, 270), tiles, format))
            return found.answer.statistics.storedRows
        }
        #expect(try storedRows() == 0 && storedRows() == 37)
        #expect(try storedRows(.f32) == 0 && storedRows(.f32) == 37)
        #expect(try storedRows(context: 119) == 0 && storedRows(context: 119) == 37)
        // The same header, other numbers.
        var other = TinyPair()
        let numbers = other.text.floats("token_embd.weight").map { -$0 }
        let shape = other.text[tensor: "token_embd.weight"]?.shape ?? []
        other.text.set("token_embd.weight", shape: shape, floats: numbers)
        try writePair(other)
        #expect(try storedRows() == 0 && storedRows() == 37)
        #expect(try files().count == 4)
    }

    @Test func aDamagedFileIsReportedAndMadeAgain() throws {
        try writePair()
        let plain = try load(stores: false)
        let tiles = [plain.tiles(width: 30, height: 30)]
        let expected = try answer(plain, about(true, 270), tiles)
        _ = try answer(try load(), about(true, 270), tiles)
        let path = "\(folder.path)/cache/\(try #require(try files().first))"
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        var damaged = [Array(whole.dropLast()), whole + [0], [], Array(whole.prefix(40))]
        for place in [0, 9, 33, 4096, (4096 + whole.count) / 2, whole.count - 1] {
            var bytes = whole
            bytes[place] ^= 4
            damaged.append(bytes)
        }
        for (index, bytes) in damaged.enumerated() {
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let found = try answer(load(), about(true, 270), tiles)
            expectEqual(found, expected)
            #expect(found.answer.statistics.storedRows == 0, "\(index)")
            #expect(warnings.all.count == index + 1)
            #expect(try #require(warnings.all.last).hasPrefix("\(path): damaged"))
            #expect(try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) == whole)
        }
    }

    /// What others have left in a page does not get into a file.
    @Test func filesHoldNothingButTheirRows() throws {
        try writePair()
        func stored() throws -> [UInt8] {
            let path = "\(folder.path)/cache/\(try #require(try files().first))"
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            try FileManager.default.removeItem(atPath: path)
            return bytes
        }
        let loaded = try load()
        let tiles = [loaded.tiles(width: 30, height: 30)]
        _ = try answer(loaded, about(true, 270), tiles)
        let expected = try stored()
        // All pages have had rows of another sequence.
        let generator = try BatchGenerator(
            model: loaded.model, tokenizer: loaded.tokenizer, parallel: 1, cacheRows: 120)
        for (id, prompt) in [[.tokens((0..<100).map { TokenID(264 + $0 % 9) })], about(true, 270)]
            .enumerated()
        {
            try generator.start(
                BatchGenerator.Request(
                    id: id, prompt: prompt, pictures: id == 1 ? tiles : [],
                    options: GenerationOptions(maxNewTokens: 8, ignoresEndOfSequence: true)))
            while try generator.step().isEmpty {}
        }
        #expect(try stored() == expected)
    }

    @Test func aFolderThatCannotBeWrittenIsAWarning() throws {
        try writePair()
        let blocked = try folder.write([1], to: "file") + "/cache"
        let warnings = warnings
        let loaded = try LoadedModel(
            text: folder.path + "/text.gguf", projector: folder.path + "/mmproj.gguf",
            context: 120, packing: PackingOptions(cacheFolder: blocked, onWarning: warnings.add))
        let plain = try load(stores: false)
        let tiles = [plain.tiles(width: 30, height: 30)]
        for _ in 0..<2 {
            expectEqual(
                try answer(loaded, about(true, 270), tiles),
                try answer(plain, about(true, 270), tiles))
        }
        #expect(warnings.all.count == 1)
        #expect(try #require(warnings.all.first).contains("cannot be written"))
    }

    @Test func aCancelledRunStoresNothing() async throws {
        try writePair()
        let loaded = try load()
        let engine = try loaded.engine(parallel: 1)
        let tiles = loaded.tiles(width: 30, height: 30)
        let cancellation = Cancellation()
        let results = AsyncStream.makeStream(of: Result<Answer, GenerationError>.self)
        _ = try engine.submit(
            Engine.Request(
                prompt: about(true, 270), pictures: [Engine.Picture { tiles }],
                options: GenerationOptions(maxNewTokens: 6)),
            cancellation: cancellation,
            onEvent: { if case .encoding = $0 { cancellation.cancel() } },
            onEnd: { results.continuation.yield($0) })
        var ends = results.stream.makeAsyncIterator()
        #expect(await ends.next() == .failure(.model(.cancelled)))
        #expect(try files().isEmpty && warnings.all.isEmpty)
    }
}

/// Warnings from any thread.
private final class Warnings: Sendable {
    private let list = Mutex<[String]>([])

    var all: [String] { list.withLock(\.self) }

    func add(_ warning: String) { list.withLock { $0.append(warning) } }
}
