// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// The fields of `run --json`.
struct RunJSON: Decodable {
    struct Tokens: Decodable {
        let prompt: Int
        let visual: Int
        let generated: Int
    }

    struct Cache: Decodable {
        let rows: Int
        let bytes: Int
    }

    struct Milliseconds: Decodable {
        let decodePicture: Double
        let tiles: Double
        let vision: Double
        let project: Double
        let select: Double
        let prefill: Double
        let decode: Double
        let timeToFirstToken: Double
        let total: Double
    }

    let text: String
    let stopReason: String
    let pictures: [String]
    let tokens: Tokens
    let cache: Cache
    let milliseconds: Milliseconds
    let tokensPerSecond: Double

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
            ] + (facts.layout == "crop" ? ["--crop"] : []) + golden.picturePaths())
    }

    private func dumped(_ stage: String) throws -> NPYArray {
        let file = folder.path + "/deep/dump/\(stage).npy"
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        let headerLength = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
        #expect(headerLength % 64 == 0, "\(stage): numbers start at byte \(headerLength)")
        return try NPYArray(bytes: [UInt8](bytes))
    }

    @Test(arguments: GoldenCase.all)
    func everyDumpedStageEqualsTransformers(golden: GoldenCase) throws {
        let outcome = try run(golden)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.errors == "")
        for (stage, tolerance) in [
            ("pixels", 1e-6), ("features", 1e-4), ("projected", 1e-4), ("logits", 1e-4),
        ] as [(String, Float)] {
            let found = try dumped(stage)
            guard let expected = try golden.stage(stage) else { continue }
            // Some cases carry the first steps' logits only.
            #expect(found.shape.dropFirst() == expected.shape.dropFirst(), "\(stage)")
            let error = relativeError(
                Array(found.floats.prefix(expected.floats.count)), expected.floats)
            #expect(error <= tolerance, "\(stage): relative error \(error)")
        }
        for stage in ["tokens", "positions", "generated"] {
            let expected = try #require(try golden.stage(stage))
            #expect(try dumped(stage).int32s == expected.int32s, "\(stage)")
        }
    }

    @Test(arguments: GoldenCase.all)
    func shapesAndFieldsAgree(golden: GoldenCase) throws {
        let facts = try golden.facts()
        let report = try RunJSON(try run(golden))
        let tokens = try dumped("tokens")
        let visual = tokens.int32s.count { $0 == -1 }
        let pixels = try dumped("pixels").shape
        let logits = try dumped("logits").shape
        #expect(tokens.shape == [report.tokens.prompt])
        #expect(try dumped("positions").int32s == Array(0..<Int32(report.tokens.prompt)))
        #expect(pixels.count == 4 && pixels[1] == 3 && pixels[2] == pixels[3])
        #expect(try dumped("features").shape.count == 3)
        #expect(try dumped("features").shape[0] == pixels[0])
        #expect(try dumped("projected").shape[0] == visual)
        #expect(try dumped("kept").shape == [visual])
        #expect(logits.count == 2 && logits[0] == facts.steps)
        #expect(try dumped("generated").shape == [facts.steps])

        #expect(report.tokens.visual == visual && visual > 0)
        #expect(report.tokens.generated == facts.steps)
        #expect(report.stopReason == "length")
        #expect(report.pictures == (try golden.picturePaths()))
        #expect(report.cache.rows == report.tokens.prompt + facts.steps - 1)
        #expect(report.cache.bytes > report.cache.rows)
        #expect(!report.text.isEmpty)
        let times = report.milliseconds
        let parts = [
            times.decodePicture, times.tiles, times.vision, times.project, times.select,
            times.prefill,
        ]
        #expect(parts.allSatisfy { $0 > 0 })
        #expect(abs(parts.reduce(0, +) - times.timeToFirstToken) < 0.01)
        #expect(abs(times.timeToFirstToken + times.decode - times.total) < 0.01)
        #expect(report.tokensPerSecond > 0)
    }
}
