// SPDX-License-Identifier: Apache-2.0
import Decoder
import Families
import GGUF
import Imaging
import KernelInterface
import Kernels
import TensorOps
import TestSupport
import Testing
import Tokenization
import WorkerPool

@testable import Generation
@testable import Pictures
@testable import Weights

/// A golden case's model, ready to answer.
struct LoadedModel {
    let model: LLaVAModel
    let tokenizer: Tokenizer

    init(
        _ golden: GoldenCase, limits: VisionLimits = VisionLimits(), threads: Int = 2,
        packing: PackingOptions = PackingOptions()
    ) throws {
        try self.init(
            text: golden.textPath, projector: golden.projectorPath,
            context: try golden.facts().context, limits: limits, threads: threads, packing: packing)
    }

    init(
        text: String, projector: String, context: Int? = nil,
        limits: VisionLimits = VisionLimits(), threads: Int = 2,
        packing: PackingOptions = PackingOptions()
    ) throws {
        let file = try GGUFFile(path: text)
        let ops = TensorOps(
            kernels: try KernelTable.named(nil), pool: WorkerPool(threadCount: threads))
        model = try LLaVAModel(
            text: file, projector: GGUFFile(path: projector), ops: ops, context: context,
            limits: limits, packing: packing)
        tokenizer = try Tokenizer(metadata: file.metadata)
    }

    func tiles(_ golden: GoldenCase) throws -> [TileBatch] {
        let facts = try golden.facts()
        if facts.layout == "video" {
            let frames = try golden.picturePaths().map { try PictureDecoder.load(path: $0) }
            return [try model.videoTiling.tiles(of: frames)]
        }
        var encoder = try model.pictureEncoder(
            crop: facts.layout == "crop", pictures: facts.pictures.count)
        if let tiled = encoder as? TiledEncoder, let edge = facts.longestEdge {
            let tiles = try #require(tiled.tiling as? Idefics3Tiles)
            encoder = tiled.cutting(tiles.with(tilesPerSide: edge / tiles.tileSide))
        }
        return try golden.picturePaths().map {
            try encoder.tiles(
                of: PictureDecoder.load(path: $0, transparency: encoder.transparency))
        }
    }

    /// The prompt that was recorded: −1 and the tokens of their own stand for pictures, in their order.
    func prompt(_ golden: GoldenCase, _ tiles: [TileBatch]) throws -> [PromptPiece] {
        let tokens = try #require(try golden.stage("tokens")).int32s
        var pieces: [PromptPiece] = []
        var next = 0
        var picture = 0
        while next < tokens.count {
            if picture < tiles.count, tokens[next...].starts(with: rows(of: tiles[picture].plan)) {
                pieces.append(.picture(picture))
                next += tiles[picture].plan.rows.count
                picture += 1
            } else if case .tokens(let before) = pieces.last {
                pieces[pieces.count - 1] = .tokens(before + [tokens[next]])
                next += 1
            } else {
                pieces.append(.tokens([tokens[next]]))
                next += 1
            }
        }
        return pieces
    }

    private func rows(of plan: PicturePlan) -> [TokenID] {
        PromptLayout.Picture(plan, rows: Array(plan.rows.indices)).tokens
    }
}

@Suite struct GoldenModelTests {
    private func record(
        _ golden: GoldenCase, _ format: CacheFormat
    ) throws -> (StageRecorder, Answer) {
        let loaded = try LoadedModel(golden)
        let tiles = try loaded.tiles(golden)
        let conversation = try LoneConversation(loaded, cacheFormat: format)
        let recorder = StageRecorder()
        let answer = try conversation.answer(
            try loaded.prompt(golden, tiles), pictures: tiles,
            options: GenerationOptions(
                maxNewTokens: try golden.facts().steps, ignoresEndOfSequence: true),
            recorder: recorder)
        return (recorder, answer)
    }

    @Test(arguments: GoldenCase.all)
    func everyStageEqualsTransformers(golden: GoldenCase) throws {
        let (recorder, answer) = try record(golden, .f32)
        func check(
            _ name: String, _ tensor: StageRecord.Tensor<Float>, within tolerance: Float
        ) throws {
            guard let expected = try golden.stage(name) else { return }
            // Where a picture is one tile of any size, its cells are recorded without the tile.
            let inner = expected.shape.dropFirst()
            #expect(tensor.shape.suffix(inner.count) == inner, "\(name)")
            let values = Array(tensor.values.prefix(expected.floats.count))
            let error = relativeError(values, expected.floats)
            #expect(error <= tolerance, "\(name): relative error \(error)")
        }
        try check("pixels", recorder.pixels, within: 1e-6)
        try check("features", recorder.features, within: 1e-4)
        try check("projected", recorder.projected, within: 1e-4)
        try check("logits", recorder.logits, within: 1e-4)
        #expect(recorder.tokens == (try golden.stage("tokens"))?.int32s)
        if let expected = try golden.stage("deepstack") {
            #expect(relativeError(recorder.addends.values, expected.rowsFirst) <= 1e-4)
        }
        let positions = try #require(try golden.stage("positions"))
        let axes = [\Position.time, \.row, \.column].prefix(positions.shape.count == 2 ? 3 : 1)
        #expect(
            axes.flatMap { axis in recorder.positions.map { $0[keyPath: axis] } }
                == positions.int32s)
        #expect(recorder.generated == (try golden.stage("generated"))?.int32s)
        #expect(answer.tokens == recorder.generated)
        #expect(answer.stopReason == .length)
    }

    /// How much attention patches get where no class token gives any.
    @Test(arguments: GoldenCase.all)
    func receivedAttentionEqualsTransformers(golden: GoldenCase) throws {
        guard let expected = try golden.stage("received")?.floats else { return }
        let loaded = try LoadedModel(golden)
        let picture = try loaded.model.pictureEncoder.encode(
            loaded.tiles(golden)[0], needs: [.attention])
        #expect(relativeError(try #require(picture.attention), expected) <= 1e-4)
    }

    /// What patches get from all rows: in the last block, it is their attention where no class token gives any.
    @Test(arguments: GoldenCase.all.filter { $0.model != "llava-phi3" })
    func attentionIsReceivedInTwoBlocks(golden: GoldenCase) throws {
        let loaded = try LoadedModel(golden)
        guard let tiles = try loaded.tiles(golden).first else { return }
        let picture = try loaded.model.pictureEncoder.encode(
            tiles, needs: [.attention, .receivedAttention])
        let attention = try #require(picture.attention)
        let received = try #require(picture.receivedAttention)
        for numbers in [received.middle, received.last] {
            #expect(numbers.count == attention.count && numbers.allSatisfy { $0 > 0 })
        }
        #expect(received.middle != received.last)
        let hasClassToken = golden.model.hasPrefix("llava")
        #expect((received.last == attention) == !hasClassToken)
    }

    @Test(arguments: GoldenCase.all)
    func halfPrecisionCacheGivesTheSameTokens(golden: GoldenCase) throws {
        let (recorder, _) = try record(golden, .f16)
        #expect(recorder.generated == (try golden.stage("generated"))?.int32s)
    }

    @Test func goldenCasesCoverEveryArchitecture() throws {
        let architectures = try Set(
            GoldenCase.all.map { golden in
                let config = try DecoderConfig(GGUFFile(path: golden.textPath).metadata)
                let isShared = config.attention.heads != config.attention.keyValueHeads
                return "\(config.architecture) \(isShared ? "GQA" : "MHA")"
            })
        #expect(architectures.isSuperset(of: ["llama MHA", "llama GQA", "qwen2 GQA"]))
        #expect(architectures.contains { $0.hasPrefix("phi3") })
        #expect(Set(GoldenCase.all.map(\.model)).count >= 5)
    }
}

extension NPYArray {
    /// The numbers of `[planes, rows, width]` in the order `[rows, planes, width]`.
    var rowsFirst: [Float] {
        let (planes, rows, width) = (shape[0], shape[1], shape[2])
        var ordered: [Float] = []
        for row in 0..<rows {
            for plane in 0..<planes {
                let start = (plane * rows + row) * width
                ordered += floats[start..<start + width]
            }
        }
        return ordered
    }
}
