// SPDX-License-Identifier: Apache-2.0
import GGUF
import TestSupport
import Testing

@Suite struct MetadataTests {
    let folder: TemporaryFolder
    let metadata: GGUFMetadata

    init() throws {
        folder = try TemporaryFolder()
        var writer = GGUFWriter()
        writer.set("string", .string("text"))
        writer.set("empty", .string(""))
        writer.set("bool", .bool(true))
        writer.set("u8", .uint8(255))
        writer.set("i8", .int8(-1))
        writer.set("u16", .uint16(65535))
        writer.set("i16", .int16(-2))
        writer.set("u32", .uint32(.max))
        writer.set("i32", .int32(.min))
        writer.set("u64", .uint64(1 << 62))
        writer.set("i64", .int64(.min))
        writer.set("huge", .uint64(1 << 63))
        writer.set("f32", .float32(1e-5))
        writer.set("f64", .float64(0.5))
        writer.set("strings", .strings(["a", "", "ü"]))
        writer.set("i32s", .int32s([1, -1]))
        writer.set("f32s", .float32s([0.5, 1.5]))
        writer.set("f64s", .array(of: 12, [.float64(0.25)]))
        writer.set("u64s", .array(of: 10, [.uint64(1 << 63)]))
        writer.set("nothing", .strings([]))
        metadata = try GGUFFile(path: folder.write(writer.bytes(), to: "keys.gguf")).metadata
    }

    @Test func getsValuesOfTheirKind() throws {
        #expect(try metadata.string("string") == "text")
        #expect(try metadata.string("empty") == "")
        #expect(try metadata.bool("bool") == true)
        #expect(try metadata.strings("strings") == ["a", "", "ü"])
        #expect(try metadata.strings("nothing") == [])
    }

    @Test func getsIntegersOfAnyWidth() throws {
        let keys = ["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64"]
        let expected = [255, -1, 65535, -2, 1 << 32 - 1, -1 << 31, 1 << 62, Int.min]
        #expect(try keys.map { try metadata.integer($0) } == expected)
        #expect(try metadata.integers("i32s") == [1, -1])
    }

    @Test func getsNumbersAsFloats() throws {
        #expect(try metadata.float("f32") == 1e-5)
        #expect(try metadata.float("f64") == 0.5)
        #expect(try metadata.float("i16") == -2)
        #expect(try metadata.floats("f32s") == [0.5, 1.5])
        #expect(try metadata.floats("f64s") == [0.25])
        #expect(try metadata.floats("i32s") == [1, -1])
    }

    @Test func absentKeysAreNil() throws {
        #expect(metadata["absent"] == nil)
        #expect(try metadata.string("absent") == nil)
        #expect(try metadata.integers("absent") == nil)
        #expect(throws: GGUFError.missingKey(file: metadata.fileName, key: "absent")) {
            try metadata.required("absent", metadata.integer)
        }
        #expect(try metadata.required("u8", metadata.integer) == 255)
    }

    @Test func refusesOtherTypes() {
        expectWrongType("bool", "a string", "bool") { try metadata.string($0) }
        expectWrongType("u8", "a bool", "u8") { try metadata.bool($0) }
        expectWrongType("f32", "an integer", "f32") { try metadata.integer($0) }
        expectWrongType("huge", "an integer", "u64") { try metadata.integer($0) }
        expectWrongType("string", "a number", "str") { try metadata.float($0) }
        expectWrongType("i32s", "an array of strings", "arr[i32,2]") { try metadata.strings($0) }
        expectWrongType("strings", "an array of integers", "arr[str,3]") {
            try metadata.integers($0)
        }
        expectWrongType("u64s", "an array of integers", "arr[u64,1]") { try metadata.integers($0) }
        expectWrongType("strings", "an array of numbers", "arr[str,3]") { try metadata.floats($0) }
        expectWrongType("u8", "an array of integers", "u8") { try metadata.integers($0) }
        expectWrongType("i32s", "an integer", "arr[i32,2]") { try metadata.integer($0) }
    }

    @Test func namesFileKeyAndTypesInMessages() {
        let error = GGUFError.wrongType(
            file: "a.gguf", key: "k", expected: "a string", found: "u32")
        #expect("\(error)" == "a.gguf: metadata 'k' is u32, expected a string")
    }

    private func expectWrongType<Value>(
        _ key: String, _ expected: String, _ found: String, _ get: (String) throws -> Value?
    ) {
        let error = GGUFError.wrongType(
            file: metadata.fileName, key: key, expected: expected, found: found)
        #expect(throws: error) { try get(key) }
    }
}
