// SPDX-License-Identifier: Apache-2.0
import Foundation
import GGUF
import TestSupport
import Testing
import TrimLLaVA

/// The fields of `run --json`.
struct RunJSON: Decodable {
    struct PictureReport: Decodable {
        let fileName: String
        let width: Int
        let height: Int
        let visualTokens: Int?
        let keptTokens: Int?
        let candidatePatches: Int?
        let keptPatches: Int?
    }

    struct VideoReport: Decodable {
        let frames: Int
        let visualTokens: Int?
        let keptTokens: Int?
        let candidatePatches: Int?
        let keptPatches: Int?
        let keptNewlines: Int?
    }

    let schemaVersion: Int
    let trimllavaVersion: String
    let text: String
    let stopReason: String
    let pictures: [PictureReport]
    let video: VideoReport?
    let positions: String
    let visualTokens: Int
    let keptTokens: Int
    let promptTokens: Int
    let generatedTokens: Int
    let cacheRows: Int
    let cacheBytes: Int
    let unprunedCacheBytes: Int
    let pictureSeconds: Double
    let visionSeconds: Double
    let projectorSeconds: Double
    let selectSeconds: Double
    let prefillSeconds: Double
    let decodeSeconds: Double
    let firstTokenSeconds: Double
    let totalSeconds: Double
    let decodeTokensPerSecond: Double

    init(_ outcome: Outcome) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(Self.self, from: Data(outcome.output))
    }
}

@Suite struct GoldenRunTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func run(_ golden: GoldenCase) throws -> Outcome {
        let facts = try golden.facts()
        return try ToolProcess.run(
            [
                "run", "-m", golden.textPath, "--mmproj", golden.projectorPath,
                "--raw", "--prompt", facts.prompt, "--ignore-eos", "-n", "\(facts.steps)",
                "--activations", "float", "--vision-precision", "float", "--kv-cache", "f32",
                "--context", "\(facts.context)",
                "--dump", folder.path + "/deep/dump", "--json",
            ] + (facts.layout == "crop" ? ["--crop"] : []) + golden.tileLimit()
                + (facts.layout == "video" ? ["--frames"] : []) + golden.picturePaths())
    }

    private func dumped(_ stage: String) throws -> NPYArray {
        let file = folder.path + "/deep/dump/\(stage).npy"
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        let headerLength = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
        #expect(headerLength % 64 == 0, "\(stage): numbers start at byte \(headerLength)")
        return try NPYArray(bytes: [UInt8](bytes))
    }

    /// Two pictures of unlike shapes in tiles of one size: no limit on their number makes both.
    private static let cases = GoldenCase.all.filter { "\($0)" != "smolvlm/two-pictures" }

    @Test(arguments: Self.cases)
    func everyDumpedStageEqualsTransformers(golden: GoldenCase) throws {
        let outcome = try run(golden)
        #expect(outcome.code == 0, "\(outcome.errors)")
        // Some of the Qwen-VLs see pictures smaller.
        let notes = outcome.errors.split(separator: "\n")
        #expect(
            notes.allSatisfy { "\(golden)".hasPrefix("qwen") && $0.contains("; the model sees ") },
            "\(outcome.errors)")
        for (stage, tolerance) in [
            ("pixels", 1e-6), ("features", 1e-4), ("projected", 1e-4), ("logits", 1e-4),
        ] as [(String, Float)] {
            let found = try dumped(stage)
            guard let expected = try golden.stage(stage) else { continue }
            // Some cases have only the logits of the first steps.
            // Where a picture is one tile of any size, its cells are recorded without the tile.
            let inner = expected.shape.dropFirst()
            #expect(found.shape.suffix(inner.count) == inner, "\(stage)")
            let error = relativeError(
                Array(found.floats.prefix(expected.floats.count)), expected.floats)
            #expect(error <= tolerance, "\(stage): relative error \(error)")
        }
        for stage in ["tokens", "positions", "generated"] {
            let expected = try #require(try golden.stage(stage))
            #expect(try dumped(stage).int32s == expected.int32s, "\(stage)")
        }
    }

    @Test(arguments: Self.cases)
    func shapesAndFieldsAgree(golden: GoldenCase) throws {
        let facts = try golden.facts()
        let report = try RunJSON(try run(golden))
        let tokens = try dumped("tokens")
        let cells = tokens.int32s.count { $0 == -1 }
        let visual = report.visualTokens
        // Pictures of some families have rows of text besides.
        let hasMarkers = facts.layout == "idefics3" || facts.layout.hasPrefix("qwen")
        #expect(hasMarkers ? visual >= cells : visual == cells)
        let pixels = try dumped("pixels").shape
        let logits = try dumped("logits").shape
        #expect(tokens.shape == [report.promptTokens])
        let positions = try dumped("positions")
        if positions.shape.count == 1 {
            #expect(positions.int32s == Array(0..<Int32(report.promptTokens)))
        } else {
            #expect(positions.shape == [3, report.promptTokens])
        }
        if !facts.pictures.isEmpty {
            // Pictures of unlike sizes are one long row.
            #expect(pixels.count == 4 && pixels[1] == 3 || facts.pictures.count > 1)
        }
        if pixels.count == 4 {
            #expect(try dumped("features").shape.count == 3)
            #expect([pixels[0], 1].contains(try dumped("features").shape[0]))
        }
        #expect(try dumped("projected").shape[0] == cells)
        #expect(try dumped("kept").shape == [visual])
        #expect(logits.count == 2 && logits[0] == facts.steps)
        #expect(try dumped("generated").shape == [facts.steps])

        #expect(report.schemaVersion == OutputSchema.version)
        #expect(report.trimllavaVersion == Release.version)
        #expect((visual > 0) != facts.pictures.isEmpty && report.keptTokens == visual)
        #expect(report.generatedTokens == facts.steps)
        #expect(report.stopReason == "length")
        let isVideo = facts.layout == "video"
        #expect(report.pictures.map(\.fileName) == (try isVideo ? [] : golden.picturePaths()))
        #expect(report.video?.frames == (isVideo ? facts.pictures.count : nil))
        let ofVideo = report.video?.visualTokens ?? 0
        #expect(report.pictures.reduce(ofVideo) { $0 + ($1.visualTokens ?? 0) } == visual)
        #expect(report.pictures.allSatisfy { $0.width > 0 && $0.height > 0 })
        #expect(report.cacheRows == report.promptTokens + facts.steps - 1)
        #expect(report.cacheBytes > report.cacheRows)
        #expect(!report.text.isEmpty)
        let parts = [
            report.pictureSeconds, report.visionSeconds, report.selectSeconds,
            report.prefillSeconds,
        ]
        #expect(parts.allSatisfy { $0 > 0 } || facts.pictures.isEmpty)
        #expect((0...report.visionSeconds).contains(report.projectorSeconds))
        #expect(abs(parts.reduce(0, +) - report.firstTokenSeconds) < 1e-5)
        #expect(
            abs(report.firstTokenSeconds + report.decodeSeconds - report.totalSeconds) < 1e-5)
        #expect(report.decodeTokensPerSecond > 0)
    }
}

extension GoldenCase {
    /// The option that makes tiles as the case has them.
    fileprivate func tileLimit() throws -> [String] {
        guard let edge = try facts().longestEdge else { return [] }
        let tile = try #require(
            try GGUFFile(path: projectorPath).metadata.integer("clip.vision.image_size"))
        let side = edge / tile
        return ["--max-tiles", "\(side > 1 ? side * side + 1 : 1)"]
    }
}
