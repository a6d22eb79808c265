// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import GGUF
import TestSupport
import Testing
import Tokenization
import TrimLLaVA

@Suite struct RunOptionsTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// The answer of the model with its own template.
    private func text(_ arguments: [String], input: [UInt8] = []) throws -> String {
        let outcome = try ToolProcess.run(
            ModelFiles.llama3.run + ["-q", "-n", "40", "--ignore-eos"] + arguments, input: input)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.errors == "")
        return outcome.text
    }

    /// The tokens and pixels that a run dumps.
    private func dump(
        _ arguments: [String], input: [UInt8] = []
    ) throws -> (tokens: [Int32], pixels: [Float]) {
        _ = try text(["--dump", folder.path, "-n", "1"] + arguments, input: input)
        return (
            try NPYArray(path: folder.path + "/tokens.npy").int32s,
            try NPYArray(path: folder.path + "/pixels.npy").floats
        )
    }

    @Test func temperatureZeroIsGreedyWhateverElseIsSaid() throws {
        let greedy = try text(["-p", "Hello"])
        #expect(
            try text(["-p", "Hello", "--temperature", "0", "--top-k", "3", "--seed", "5"])
                == greedy)
        #expect(try text(["-p", "Hello", "--temperature", "2", "--top-k", "1"]) == greedy)
        #expect(try text(["-p", "Hello", "--temperature", "2", "--min-p", "1"]) == greedy)
        #expect(try text(["-p", "Hello", "--temperature", "2", "--top-p", "1e-9"]) == greedy)
    }

    @Test func equalSeedsGiveEqualTexts() throws {
        let sampled = ["-p", "Hello", "--temperature", "1.5", "--min-p", "0", "--top-p", "1"]
        let first = try text(sampled + ["--seed", "7"])
        #expect(try text(sampled + ["--seed", "7"]) == first)
        #expect(try text(sampled + ["--seed", "8"]) != first)
        #expect(try text(sampled) != text(sampled))
    }

    @Test func repetitionPenaltyReachesTheSampler() throws {
        let plain = try text(["-p", "Hello"])
        #expect(try text(["-p", "Hello", "--repetition-penalty", "5"]) != plain)
        #expect(
            try text(["-p", "Hello", "--repetition-penalty", "5", "--repetition-window", "0"])
                == plain)
    }

    @Test func stopStringsEndTheTextBeforeThem() throws {
        let whole = Array(try text(["-p", "Hello"]).dropLast().unicodeScalars)
        let stop = String(String.UnicodeScalarView(whole[9..<12]))
        let answer = String(String.UnicodeScalarView(whole))
        let expected = try #require(answer.range(of: stop, options: .literal))
        #expect(
            try text(["-p", "Hello", "--stop", "never written", "--stop", stop])
                == answer[..<expected.lowerBound] + "\n")
        let outcome = try ToolProcess.run(
            ModelFiles.llama3.run + ["--ignore-eos", "-p", "Hello", "--stop", stop, "--json"])
        #expect(try RunJSON(outcome).stopReason == "stop-string")
    }

    @Test func maxTokensAndContextEndTheAnswer() throws {
        let run = ModelFiles.llama3.run + ["--ignore-eos", "-p", "Hello", "--json"]
        let some = try RunJSON(try ToolProcess.run(run + ["-n", "3"]))
        #expect(some.generatedTokens == 3)
        #expect(some.stopReason == "length")
        let rows = some.promptTokens + 5
        let full = try RunJSON(try ToolProcess.run(run + ["--context", "\(rows)"]))
        #expect(full.generatedTokens == 5)
        #expect(full.stopReason == "context")
        #expect(full.text.hasPrefix(some.text.prefix(2)))
    }

    @Test func promptsComeFromArgumentsFilesAndStandardInput() throws {
        let question = "-1 °C: what's\nthat? 🐱"
        let expected = try dump(["-p", question]).tokens
        let file = try folder.write(Array("\(question)\n".utf8), to: "question.txt")
        #expect(try dump(["--prompt-file", file]).tokens == expected)
        #expect(try dump(["--prompt-file", "-"], input: Array(question.utf8)).tokens == expected)
        #expect(try dump(["--prompt=\(question)"]).tokens == expected)
        let windows = try folder.write(Array("\(question)\r\n".utf8), to: "windows.txt")
        #expect(try dump(["--prompt-file", windows]).tokens == expected)
        // A raw prompt keeps its last line end.
        #expect(
            try dump(["--raw", "--prompt-file", file]).tokens
                == dump(["--raw", "-p", question + "\n"]).tokens)
        #expect(
            try dump([picturePath("small")]).tokens
                == dump([picturePath("small"), "-p", LLaVA.defaultQuestion]).tokens)
    }

    @Test func templateAndSystemChangeThePrompt() throws {
        let tokenizer = try Tokenizer(metadata: GGUFFile(path: ModelFiles.llama3.text).metadata)
        func expected(_ template: ChatTemplate, _ system: String?) throws -> [TokenID] {
            let builder = try PromptBuilder(
                template: template, tokenizer: tokenizer, system: system)
            return try builder.firstTurn("Hi", pictures: 0).flatMap { piece -> [TokenID] in
                if case .tokens(let tokens) = piece { tokens } else { [] }
            }
        }
        #expect(try dump(["-p", "Hi"]).tokens == expected(.llama3, nil))
        #expect(try dump(["-p", "Hi", "--template", "vicuna"]).tokens == expected(.vicuna, nil))
        #expect(try dump(["-p", "Hi", "--system", "Be -x"]).tokens == expected(.llama3, "Be -x"))
        let outcome = try ToolProcess.run(
            ModelFiles.llama3.run + ["-p", "Hi", "--template", "phi-3"])
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("the template 'phi-3' needs the token '<|user|>'"))
    }

    @Test func theVisionTowerMaySeeFewerPatches() throws {
        let picture = [picturePath("wide")]
        let whole = try text(picture)
        #expect(try text(picture + ["--tower-keep", "100%"]) == whole)
        #expect(try text(picture + ["--tower-keep", "50%"]) != whole)
        for wrong in ["49%", "101%", "0.5", "auto", "8", ""] {
            let outcome = try ToolProcess.run(
                ModelFiles.llama3.run + picture + ["--tower-keep", wrong])
            #expect(outcome.code == 2, "\(wrong)")
            #expect(outcome.errors.contains("expected 50% to 100%"), "\(outcome.errors)")
        }
    }

    @Test func picturesComeFromStandardInput() throws {
        let path = picturePath("wide")
        let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(try dump(["-"], input: bytes).pixels == dump([path]).pixels)
    }

    @Test func orientationIsFollowedUnlessIgnored() throws {
        let turned = Fixture.path("pictures/decode/orientation-6.jpg")
        let upright = Fixture.path("pictures/decode/orientation-1.jpg")
        #expect(try dump([turned]).pixels != dump([turned, "--ignore-orientation"]).pixels)
        #expect(try dump([upright]).pixels == dump([upright, "--ignore-orientation"]).pixels)
    }

    @Test func cropShowsAnotherPartOfThePicture() throws {
        let wide = picturePath("wide")
        let square = picturePath("square")
        #expect(try dump([wide]).pixels != dump([wide, "--crop"]).pixels)
        #expect(try dump([square]).pixels == dump([square, "--crop"]).pixels)
    }

    @Test func helpFitsAndNamesTheDefaults() throws {
        let outcome = try ToolProcess.run(["run", "--help"])
        #expect(outcome.code == 0)
        #expect(outcome.errors == "")
        #expect(outcome.text.split(separator: "\n").allSatisfy { $0.count <= 80 })
        #expect(outcome.text.contains("(default: \(LLaVAModel.defaultContext), or"))
    }
}
