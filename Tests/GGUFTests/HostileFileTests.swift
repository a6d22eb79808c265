// SPDX-License-Identifier: Apache-2.0
import GGUF
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Damaged files either open and can be read in full, or end in a `GGUFError`.
@Suite struct HostileFileTests {
    @Test func everyTruncationOfASmallFile() throws {
        var writer = GGUFWriter()
        writer.set("general.architecture", .string("llama"))
        writer.set("tokens", .strings(["a", "bc"]))
        writer.add("t", shape: [3, 2], floats: [1, 2, 3, 4, 5, 6])
        let bytes = writer.bytes()
        let folder = try TemporaryFolder()
        // The last 8 bytes pad the data.
        for length in 0..<bytes.count - 8 {
            let path = try folder.write(Array(bytes.prefix(length)), to: "cut.gguf")
            #expect(refusal(path: path) != nil, "\(length) bytes")
        }
        #expect(try refusal(Array(bytes.dropLast(8))) == nil)
    }

    @Test func everySixtyFourthTruncation() throws {
        let bytes = sampleFile(rows: 17).bytes()
        let folder = try TemporaryFolder()
        for length in stride(from: 0, to: bytes.count - 64, by: 64) {
            let path = try folder.write(Array(bytes.prefix(length)), to: "cut.gguf")
            #expect(refusal(path: path) != nil, "\(length) bytes")
        }
        let path = try folder.write(bytes, to: "whole.gguf")
        readAll(try GGUFFile(path: path))
    }

    @Test func everyFieldWithExtremeValues() throws {
        let image = sampleFile(rows: 1).image()
        let folder = try TemporaryFolder()
        #expect(image.fields.count > 100)
        for field in image.fields {
            for value in extremeValues {
                let bytes = image.replacing(field, with: value)
                openAndRead(try folder.write(bytes, to: "field.gguf"))
            }
        }
    }

    @Test func sizesOfTensorsAreNeverTakenOnTrust() throws {
        let image = sampleFile(rows: 1).image()
        let unchanged = image.bytes
        for field in image.fields where field.name.contains(".weight ") {
            // Types of the same size fit, and so do rows of 255 numbers in the padding of 256.
            for value in extremeValues where value != 255 && !field.name.hasSuffix("type") {
                let bytes = image.replacing(field, with: value)
                #expect(try bytes == unchanged || refusal(bytes) != nil, "\(field.name) = \(value)")
            }
        }
    }

    @Test(arguments: 0..<8)
    func randomDamage(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let image = sampleFile(rows: 1).image()
        // Header bytes decide; tensor data may hold anything.
        let headerCount = try #require(image.fields.last).offset + 8
        let folder = try TemporaryFolder()
        for _ in 0..<1000 {
            var bytes = image.bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 4..<headerCount, using: &random)
                bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            }
            openAndRead(try folder.write(bytes, to: "damaged.gguf"))
        }
    }

    #if os(Linux)
        @Test func hugeCountsReserveNoMemory() async {
            // In a separate process with a limited address space: allocating the claimed size would end
            // it.
            await #expect(processExitsWith: .success) {
                let folder = try TemporaryFolder()
                let image = sampleFile(rows: 1).image()
                try capAddressSpace(extraBytes: 1 << 29)
                let before = peakResidentBytes()
                for field in image.fields {
                    for value in extremeValues {
                        let bytes = image.replacing(field, with: value)
                        openAndRead(try folder.write(bytes, to: "field.gguf"))
                    }
                }
                let grown = peakResidentBytes() - before
                guard grown < 32 << 20 else { exit(EXIT_FAILURE) }
            }
        }

        @Test func theCapOfTheTestAboveWorks() async {
            await #expect(processExitsWith: .failure) {
                try capAddressSpace(extraBytes: 1 << 29)
                var array: [UInt8] = []
                array.reserveCapacity(1 << 32)
                array.append(1)
            }
        }
    #endif
}

/// Values that break naive arithmetic, cut to the width of their field.
private let extremeValues: [UInt64] = [
    0, 1, 2, 255, 1 << 24, 1 << 30, 1 << 31 - 1, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 40, 1 << 61,
    1 << 62, 1 << 63 - 1, 1 << 63, .max - 7, .max - 1, .max,
]

/// Opens a file and reads all of it when it opens.
private func openAndRead(_ path: String) {
    if let file = try? GGUFFile(path: path) {
        readAll(file)
    }
}
