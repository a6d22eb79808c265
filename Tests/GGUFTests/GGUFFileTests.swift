// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import GGUF
import TestSupport
import Testing

@Suite struct GGUFFileTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test(arguments: [UInt32(2), 3], [1, 8, 32, 64, 4096])
    func readsBackWhatWasWritten(version: UInt32, alignment: Int) throws {
        var writer = GGUFWriter(version: version, alignment: alignment)
        writer.set("general.architecture", .string("llama"))
        writer.set("llama.block_count", .uint32(7))
        writer.add("odd", shape: [3], floats: [1, -2, 0.5])
        let blocks = (0..<36).map { UInt8($0) }
        writer.add("quantised", .q4_0, shape: [32, 2], bytes: blocks)
        writer.add("last", shape: [2, 1, 1], floats: [8, 9])
        let file = try GGUFFile(path: folder.write(writer.bytes(), to: "file.gguf"))

        #expect(file.version == Int(version))
        #expect(file.byteCount == writer.bytes().count)
        #expect(try file.metadata.string("general.architecture") == "llama")
        #expect(try file.metadata.integer("llama.block_count") == 7)
        #expect(file.tensors.map(\.name) == ["odd", "quantised", "last"])
        #expect(file.tensors.map(\.shape) == [[3], [32, 2], [2, 1, 1]])
        #expect(file.tensor("odd")?.floats() == [1, -2, 0.5])
        #expect(file.tensor("last")?.floats() == [8, 9])
        let quantised = try file.requiredTensor("quantised")
        #expect(quantised.format == .q4_0)
        #expect(quantised.elementCount == 64)
        #expect(Array(quantised.bytes) == blocks)
        #expect(file.tensor("absent")?.name == nil)
    }
}
