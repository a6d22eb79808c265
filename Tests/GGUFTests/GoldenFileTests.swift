// SPDX-License-Identifier: Apache-2.0
import GGUF
import TestSupport
import Testing

/// A file written by gguf-py; tools/make-gguf-golden holds the same values.
@Suite struct GoldenFileTests {
    let file: GGUFFile

    init() throws {
        file = try GGUFFile(path: Fixture.path("gguf/golden.gguf"))
    }

    @Test func readsEveryMetadataType() {
        let expected: [(String, GGUFValue)] = [
            ("general.architecture", .string("golden")),
            ("general.alignment", .uint32(64)),
            ("scalar.u8", .uint8(200)), ("scalar.i8", .int8(-100)),
            ("scalar.u16", .uint16(60000)), ("scalar.i16", .int16(-30000)),
            ("scalar.u32", .uint32(4_000_000_000)), ("scalar.i32", .int32(-2_000_000_000)),
            ("scalar.u64", .uint64(.max)), ("scalar.i64", .int64(.min)),
            ("scalar.f32", .float32(0.1)), ("scalar.f64", .float64(0.1)),
            ("scalar.true", .bool(true)), ("scalar.false", .bool(false)),
            ("scalar.string", .string("naïve ▁ 猫 🐱\n\0end")),
            ("array.uint8", .array(.uint8([0, .max]))),
            ("array.int8", .array(.int8([.min, .max]))),
            ("array.uint16", .array(.uint16([0, .max]))),
            ("array.int16", .array(.int16([.min, .max]))),
            ("array.uint32", .array(.uint32([0, .max]))),
            ("array.int32", .array(.int32([.min, .max]))),
            ("array.uint64", .array(.uint64([0, .max]))),
            ("array.int64", .array(.int64([.min, .max]))),
            ("array.float32", .array(.float32([0.5, -0.25]))),
            ("array.float64", .array(.float64([0.1, -1e300]))),
            ("array.bool", .array(.bool([true, false, true]))),
            ("array.string", .array(.string(["", "a", "猫"]))),
        ]
        #expect(file.metadata.entries.map(\.key) == expected.map(\.0))
        for (key, value) in expected {
            #expect(file.metadata[key] == value, "\(key)")
        }
    }

    @Test func readsTensorsInTheOrderOfNumPy() throws {
        #expect(
            file.tensors.map(\.name) == ["matrix.float32", "matrix.float16", "box", "quantised"])
        #expect(file.tensors.map(\.shape) == [[5, 3], [5, 3], [5, 4, 3, 2], [32, 2]])
        #expect(file.tensors.map { $0.fileOffset % 64 } == [0, 0, 0, 0])
        #expect(file.tensors[0].floats() == (0..<15).map { Float($0) })
        #expect(file.tensors[1].floats() == (0..<15).map { Float($0) })
        #expect(file.tensors[2].floats() == (0..<120).map { Float($0) })
        #expect(file.tensors[3].floats() == (0..<64).map { Float(96 + $0 % 32) })
    }
}
