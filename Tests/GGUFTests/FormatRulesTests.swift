// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import TestSupport
import Testing

@testable import GGUF

/// Every rule of the format, broken once.
@Suite struct FormatRulesTests {
    @Test func magic() throws {
        try expectRefusal(
            Array("GGML".utf8) + [UInt8](repeating: 0, count: 20),
            ["not a GGUF file", "47 47 4d 4c", "47 47 55 46"])
        try expectRefusal(Array("GG".utf8), ["not a GGUF file", "47 47,"])
    }

    @Test(arguments: [UInt32(0), 1, 4, 77, 0x0001_0001])
    func version(version: UInt32) throws {
        try expectRefusal(GGUFWriter(version: version), "GGUF version \(version) at byte 4")
    }

    @Test(arguments: [UInt32(2), 3])
    func bigEndian(version: UInt32) throws {
        try expectRefusal(GGUFWriter(version: version.byteSwapped), "big-endian")
    }

    @Test func counts() throws {
        let image = sample.image()
        for count in [UInt64(100), 1 << 32, 1 << 61, 1 << 63, .max] {
            try expectRefusal(
                image.replacing(field(image, "tensor count"), with: count),
                ["the tensor count at byte 8", "\(count)"])
            try expectRefusal(
                image.replacing(field(image, "pair count"), with: count),
                ["the metadata count at byte 16", "\(count)"])
        }
    }

    @Test func keys() throws {
        var writer = GGUFWriter()
        writer.set("", .uint8(0))
        writer.set("next", .uint8(0))
        try expectRefusal(writer, "the key of metadata pair 0 at byte 24: is empty")
        writer = GGUFWriter()
        writer.set("twice", .uint8(0))
        writer.set("twice", .uint8(0))
        try expectRefusal(writer, "metadata 'twice' at byte 42: the key occurs twice")
    }

    @Test func canonicallyEquivalentKeysAreDistinct() throws {
        var writer = GGUFWriter()
        writer.set("\u{E9}", .uint8(1))
        writer.set("e\u{301}", .uint8(2))
        writer.add("\u{E9}", shape: [1], floats: [3])
        writer.add("e\u{301}", shape: [1], floats: [4])
        let folder = try TemporaryFolder()
        let file = try GGUFFile(path: folder.write(writer.bytes(), to: "accents.gguf"))
        #expect(file.metadata["\u{E9}"] == .uint8(1))
        #expect(file.metadata["e\u{301}"] == .uint8(2))
        #expect(file.tensor("\u{E9}")?.floats() == [3])
        #expect(file.tensor("e\u{301}")?.floats() == [4])
    }

    @Test func strings() throws {
        var writer = GGUFWriter()
        writer.set("text", .string("abc"))
        let image = writer.image()
        let length = try field(image, "text text length")
        try expectRefusal(
            image.replacing(length, with: 4),
            ["the file ends in metadata 'text' at byte 48: 4 bytes needed, 3 left"])
        try expectRefusal(image.replacing(length, with: 1 << 30 + 1), ["at most 1073741824"])
        try expectRefusal(image.replacing(length, with: .max), ["18446744073709551615 bytes long"])
        var invalid = image.bytes
        invalid[invalid.count - 1] = 0xFF
        try expectRefusal(invalid, ["metadata 'text' at byte 48: is not valid UTF-8"])
    }

    @Test(arguments: [UInt32(13), 14, 255, .max])
    func valueTypes(type: UInt32) throws {
        var writer = GGUFWriter()
        writer.set("key", .raw(type: type, [0, 0, 0, 0]))
        try expectRefusal(writer, "metadata 'key' at byte 35: has the unknown value type \(type)")
        writer = GGUFWriter()
        writer.set("key", .array(of: type, []))
        try expectRefusal(
            writer, "the elements of metadata 'key' at byte 39: has the unknown value type \(type)")
    }

    @Test func bools() throws {
        var writer = GGUFWriter()
        writer.set("flag", .raw(type: 7, [2]))
        try expectRefusal(writer, "metadata 'flag' at byte 40", "stored as 2, expected 0 or 1")
        writer = GGUFWriter()
        writer.set("flags", .array(of: 7, [.bool(true), .raw(type: 7, [255])]))
        try expectRefusal(writer, "metadata 'flags' at byte 54", "stored as 255")
    }

    @Test func arrays() throws {
        var writer = GGUFWriter()
        writer.set("nested", .array(of: 9, [.int32s([1])]))
        try expectRefusal(writer, "metadata 'nested' at byte 42: arrays of arrays")
        for (type, size) in [(UInt32(0), 1), (5, 4), (12, 8), (8, 8)] {
            writer = GGUFWriter()
            writer.set("list", .array(of: type, []))
            let image = writer.image()
            let count = try field(image, "list element count")
            try expectRefusal(
                image.replacing(count, with: 3),
                ["the file ends in metadata 'list'", "\(3 * size) bytes needed, 0 left"])
            for huge in [UInt64(1) << 24 + 1, 1 << 61, .max] {
                try expectRefusal(image.replacing(count, with: huge), ["expected at most 16777216"])
            }
        }
    }

    @Test func alignment() throws {
        let values: [GGUFWriterValue] = [
            .uint32(0), .uint32(3), .uint32(48), .uint32(.max), .uint64(32), .int32(32),
            .string("32"),
        ]
        for value in values {
            var writer = GGUFWriter()
            writer.set("general.alignment", value)
            try expectRefusal(writer, "'general.alignment'", "a power of two of type u32")
        }
    }

    @Test func tensorNames() throws {
        let longest = String(repeating: "n", count: 63)
        var writer = GGUFWriter()
        writer.add(longest, shape: [1], floats: [1])
        #expect(try refusal(writer.bytes()) == nil)
        writer.add(longest + "n", shape: [1], floats: [1])
        try expectRefusal(
            writer, "the name of tensor 1", "64 bytes long, expected 1 to 63")
        writer = GGUFWriter()
        writer.add("same", shape: [1], floats: [1])
        writer.add("same", shape: [1], floats: [1])
        try expectRefusal(writer, "tensor 'same' at byte 60: the name occurs twice")
    }

    @Test func dimensions() throws {
        try expectRefusal(
            one(shape: [1, 1, 1, 1, 1]), "tensor 't'", "5 dimensions, expected at most 4")
        try expectRefusal(one(shape: [0]), "tensor 't' at byte 37: dimension 0 is 0")
        try expectRefusal(one(shape: [2, 0]), "tensor 't' at byte 45: dimension 1 is 0")
        try expectRefusal(one(shape: [-1]), "dimension 0 is -1, expected at least 1")
        try expectRefusal(one(shape: [.max, 2]), "tensor 't' at byte 24: its size overflows")
        try expectRefusal(one(shape: [.max]), "its size overflows")
        try expectRefusal(one(shape: [1 << 31, 1 << 31, 2]), "its size overflows")
        // 2^61 - 1 elements of four bytes fit 63 bits, two such tensors do not fit 64.
        try expectRefusal(one(shape: [1 << 61 - 1]), "9223372036854775804 bytes needed")
        var writer = one(shape: [1 << 61 - 1])
        writer.add(tensor(name: "u", shape: [1 << 61 - 1], claimedOffset: 1 << 63))
        try expectRefusal(writer, "tensor 'u' at byte 57: its size overflows")
    }

    @Test func scalarsHaveOneElement() throws {
        let folder = try TemporaryFolder()
        let bytes = one(shape: []).bytes()
        let file = try GGUFFile(path: folder.write(bytes, to: "scalar.gguf"))
        #expect(file.tensors[0].shape == [])
        #expect(file.tensors[0].elementCount == 1)
    }

    @Test(arguments: BlockFormat.allCases.filter { $0.blockLength > 1 })
    func wholeBlocks(format: BlockFormat) throws {
        let length = format.blockLength
        for rowLength in [1, length - 1, length + 1] {
            let writer = one(type: format.rawValue, shape: [rowLength, length])
            try expectRefusal(
                writer, "tensor 't'", "rows of \(rowLength) elements", "multiple of \(length)",
                format.name)
        }
    }

    @Test func tensorTypes() throws {
        try expectRefusal(
            one(type: 15, shape: [256]), "tensor 't' has the unsupported type Q8_K")
        try expectRefusal(one(type: 9, shape: [64]), "Q8_1")
        try expectRefusal(one(type: 4, shape: [32]), "Q4_2, which ggml itself no longer reads")
        try expectRefusal(one(type: 77, shape: [1]), "77 (unknown)")
        try expectRefusal(one(type: .max, shape: [1]), "4294967295 (unknown)")
        // All numbers of ggml's enumeration are known, decoded here or not.
        for type in UInt32(0)...42 where BlockFormat(rawValue: type) == nil {
            #expect(!tensorTypeName(type).contains("unknown"))
        }
    }

    @Test func layout() throws {
        for claimed in [UInt64(0), 1, 4, 31, 33, 64, 1 << 63, .max] {
            var writer = GGUFWriter()
            writer.add("first", shape: [1], floats: [1])
            writer.add(tensor(claimedOffset: claimed))
            try expectRefusal(
                writer, "tensor 't' at byte 61", "starts at offset \(claimed), expected 32")
        }
    }

    @Test func dataInsideTheFile() throws {
        var writer = GGUFWriter()
        writer.add("t", shape: [4], floats: [1, 2, 3, 4])
        let bytes = writer.bytes()
        let start = bytes.count - 32
        #expect(try refusal(Array(bytes.prefix(start + 16))) == nil)
        try expectRefusal(
            Array(bytes.prefix(start + 15)),
            ["the file ends in the data of tensor 't' at byte \(start): 16 bytes needed, 15 left"])
        try expectRefusal(
            Array(bytes.prefix(start - 1)), ["at byte \(start): 16 bytes needed, 0 left"])
        #expect(try refusal(bytes + [1, 2, 3]) == nil)
    }

    @Test func filesWithoutTensorsNeedNoDataSection() throws {
        var writer = GGUFWriter()
        writer.set("key", .bool(true))
        #expect(try refusal(writer.bytes()) == nil)
        #expect(try refusal(GGUFWriter().bytes()) == nil)
    }

    private var sample: GGUFWriter {
        var writer = GGUFWriter()
        writer.set("key", .uint32(1))
        writer.add("t", shape: [2], floats: [1, 2])
        return writer
    }

    private func field(_ image: GGUFImage, _ name: String) throws -> GGUFImage.Field {
        try #require(image.fields.first { $0.name == name })
    }

    private func one(type: UInt32 = 0, shape: [Int]) -> GGUFWriter {
        var writer = GGUFWriter()
        writer.add(tensor(type: type, shape: shape))
        return writer
    }

    private func tensor(
        name: String = "t", type: UInt32 = 0, shape: [Int] = [1], claimedOffset: UInt64? = nil
    ) -> GGUFWriterTensor {
        GGUFWriterTensor(
            name: name, type: type, shape: shape, bytes: [UInt8](repeating: 0, count: 64),
            claimedOffset: claimedOffset)
    }
}
