// SPDX-License-Identifier: Apache-2.0
import Foundation
import GGUF
import TestSupport
import Testing
import TrimLLaVA

@testable import TrimLLaVACommandLine

@Suite struct InspectionTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func printsTables() throws {
        let path = try folder.write(sample.bytes(), to: "sample.gguf")
        let text = inspectionText(try GGUFFile(path: path), arrayLimit: 2)
        #expect(
            text == """
                \(path): GGUF version 3, 960 bytes

                Metadata: 4 pairs
                general.architecture  str         "llama"
                llama.block_count     u32         2
                tokens                arr[str,3]  ["<s>", "a\\n", …]
                flag                  bool        true

                Tensors: 3
                offset  bytes  type  shape     name
                   320     36  Q4_0  [32, 2]   blk.0.weight
                   384     12  F32   [3]       norm
                   416    544  Q8_0  [32, 16]  big

                Totals
                type  tensors  elements  bytes       size
                Q8_0        1       512    544  544 bytes
                Q4_0        1        64     36   36 bytes
                F32         1         3     12   12 bytes
                all         3       579    592  592 bytes

                """)
    }

    @Test(arguments: [("smollm", "smolvlm"), ("llama-bpe", "llama-3"), ("gpt-2", nil)])
    func namesThePromptTemplate(vocabulary: String, template: String?) throws {
        let file = try GGUFFile(path: Fixture.path("tokenizers/\(vocabulary).gguf"))
        let second = inspectionText(file, arrayLimit: 2).split(
            separator: "\n", omittingEmptySubsequences: false)[1]
        #expect(second == template.map { "Prompt template: \($0)" } ?? "")
        let json = try object(inspectionJSON(file, arrayLimit: 0))
        #expect(json["template"] as? String == template)
    }

    @Test func printsJSON() throws {
        let path = try folder.write(sample.bytes(), to: "sample.gguf")
        let json = try object(inspectionJSON(try GGUFFile(path: path), arrayLimit: .max))
        #expect(json["file"] as? String == path)
        #expect(json["version"] as? Int == 3)
        #expect(json["trimllava_version"] as? String == Release.version)
        #expect(json["bytes"] as? Int == sample.bytes().count)
        let metadata = try #require(json["metadata"] as? [String: [String: Any]])
        #expect(metadata.count == 4)
        #expect(metadata["llama.block_count"]?["type"] as? String == "u32")
        #expect(metadata["llama.block_count"]?["value"] as? Int == 2)
        #expect(metadata["flag"]?["value"] as? Bool == true)
        #expect(metadata["tokens"]?["type"] as? String == "arr[str,3]")
        #expect(metadata["tokens"]?["count"] as? Int == 3)
        #expect(metadata["tokens"]?["value"] as? [String] == ["<s>", "a\n", "b"])
        let tensors = try #require(json["tensors"] as? [[String: Any]])
        #expect(tensors.map { $0["name"] as? String } == ["blk.0.weight", "norm", "big"])
        #expect(tensors[0]["shape"] as? [Int] == [32, 2])
        #expect(tensors[0]["type"] as? String == "Q4_0")
        #expect(tensors[0]["bytes"] as? Int == 36)
        #expect(tensors[0]["elements"] as? Int == 64)
        let totals = try #require(json["totals"] as? [[String: Any]])
        #expect(totals.map { $0["bytes"] as? Int } == [544, 36, 12, 592])
    }

    @Test func limitsArraysOfJSON() throws {
        let path = try folder.write(sample.bytes(), to: "sample.gguf")
        let json = try object(inspectionJSON(try GGUFFile(path: path), arrayLimit: 1))
        let metadata = try #require(json["metadata"] as? [String: [String: Any]])
        #expect(metadata["tokens"]?["count"] as? Int == 3)
        #expect(metadata["tokens"]?["value"] as? [String] == ["<s>"])
    }

    @Test func everyMetadataTypeIsPrinted() throws {
        let file = try GGUFFile(path: Fixture.path("gguf/golden.gguf"))
        let json = try object(inspectionJSON(file, arrayLimit: .max))
        let metadata = try #require(json["metadata"] as? [String: [String: Any]])
        #expect(metadata["scalar.u64"]?["value"] as? UInt64 == .max)
        #expect(metadata["scalar.i64"]?["value"] as? Int64 == .min)
        #expect(metadata["scalar.string"]?["value"] as? String == "naïve ▁ 猫 🐱\n\0end")
        #expect(metadata["array.float64"]?["value"] as? [Double] == [0.1, -1e300])
        #expect(metadata["array.bool"]?["value"] as? [Bool] == [true, false, true])
        let text = inspectionText(file, arrayLimit: 2)
        #expect(text.contains("scalar.f32            f32          0.1\n"))
        #expect(text.contains(#""naïve ▁ 猫 🐱\n\0end""#))
        #expect(text.contains("arr[bool,3]  [true, false, …]\n"))
    }

    @Test func numbersThatJSONLacksAreStrings() throws {
        var writer = GGUFWriter()
        writer.set("nan", .float32(.nan))
        writer.set("infinities", .float32s([.infinity, -.infinity]))
        let path = try folder.write(writer.bytes(), to: "special.gguf")
        let json = try object(inspectionJSON(try GGUFFile(path: path), arrayLimit: .max))
        let metadata = try #require(json["metadata"] as? [String: [String: Any]])
        #expect(metadata["nan"]?["value"] as? String == "nan")
        #expect(metadata["infinities"]?["value"] as? [String] == ["inf", "-inf"])
    }

    @Test func textsOfAFileCannotSteerTheTerminal() throws {
        var writer = GGUFWriter()
        writer.set("key\u{1B}[2J", .string("value\u{9B}31m\r\n"))
        writer.add("tensor\u{7}", shape: [1], floats: [0])
        let path = try folder.write(writer.bytes(), to: "hostile\u{1B}.gguf")
        let text = inspectionText(try GGUFFile(path: path), arrayLimit: 6)
        let controls = text.unicodeScalars.filter { $0.properties.generalCategory == .control }
        #expect(controls.allSatisfy { $0 == "\n" })
        #expect(text.contains(#"key\u{1B}[2J"#))
        #expect(text.contains(#""value\u{009B}31m\r\n""#))
    }

    @Test func longStringsAreCut() {
        let text = String(repeating: "é", count: 73)
        #expect(valueText(.string(text), arrayLimit: 0) == "\"\(text.dropLast())…\"")
        #expect(
            valueText(.string(String(text.dropLast())), arrayLimit: 0) == "\"\(text.dropLast())\"")
    }

    private var sample: GGUFWriter {
        var writer = GGUFWriter()
        writer.set("general.architecture", .string("llama"))
        writer.set("llama.block_count", .uint32(2))
        writer.set("tokens", .strings(["<s>", "a\n", "b"]))
        writer.set("flag", .bool(true))
        writer.add("blk.0.weight", .q4_0, shape: [32, 2], bytes: [UInt8](repeating: 0, count: 36))
        writer.add("norm", shape: [3], floats: [1, 2, 3])
        writer.add("big", .q8_0, shape: [32, 16], bytes: [UInt8](repeating: 0, count: 544))
        return writer
    }

    private func object(_ json: String) throws -> [String: Any] {
        let parsed = try JSONSerialization.jsonObject(with: Data(json.utf8))
        return try #require(parsed as? [String: Any])
    }
}
