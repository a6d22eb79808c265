// SPDX-License-Identifier: Apache-2.0
import Pictures
import TestSupport
import Testing

@testable import Imaging

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Pictures that are cut off, altered or have false headers.
///
/// Each ends in an error or a picture, with bounded memory.
@Suite struct HostilePictureTests {
    /// A truncated picture is an error, unless only trailing bytes are missing.
    @Test(arguments: PictureDecoderTests.names)
    func truncation(name: String) throws {
        let bytes = try Fixture.bytes("pictures/decode/\(name)")
        let whole = try golden("decode/\(name)")
        for count in stride(from: 0, to: bytes.count, by: 64) {
            do {
                let picture = try PictureDecoder.decode(Array(bytes[..<count]), name: name)
                // The missing bytes may be the orientation.
                #expect(picture == whole || name.hasPrefix("orientation"), "\(count) bytes")
            } catch {
                #expect(error.isAboutMissingBytes, "\(count) bytes: \(error)")
            }
        }
    }

    @Test(arguments: PictureDecoderTests.names, Transparency.allCases)
    func flippedBits(name: String, transparency: Transparency) throws {
        let bytes = try Fixture.bytes("pictures/decode/\(name)")
        var generator = SeededGenerator(seed: UInt64(bytes.count))
        let before = peakMemory()
        for _ in 0..<100 {
            var altered = bytes
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                // Half of the changes affect the header.
                let end = Bool.random(using: &generator) ? bytes.count : min(bytes.count, 100)
                let position = Int.random(in: 0..<end, using: &generator)
                altered[position] = .random(in: 0...255, using: &generator)
            }
            do {
                let picture = try PictureDecoder.decode(
                    altered, name: name, transparency: transparency)
                #expect(picture.width * picture.height <= PictureLimits.pixels)
            } catch {
                #expect(error.description.hasPrefix(name))
            }
        }
        // At most twice the size of the largest accepted picture.
        #expect(peakMemory() - before <= PictureLimits.pixels * 3 * 2)
    }

    @Test(arguments: [(30_000, 30_000), (65_500, 65_500), (65_500, 2_733)])
    func aJPEGThatAnnouncesTooMuch(width: Int, height: Int) throws {
        let bytes = try lyingJPEG(width: width, height: height)
        #expect(throws: ImagingError.tooLarge(name: "a.jpg", width: width, height: height)) {
            try PictureDecoder.decode(bytes, name: "a.jpg")
        }
    }

    @Test(arguments: [(10_000, 10_000), (37, 65_500), (100, 200)])
    func aJPEGThatAnnouncesMoreThanItHas(width: Int, height: Int) throws {
        let before = peakMemory()
        let bytes = try lyingJPEG(width: width, height: height)
        #expect(throws: ImagingError.truncated(name: "a.jpg", format: "JPEG")) {
            try PictureDecoder.decode(bytes, name: "a.jpg")
        }
        #expect(peakMemory() - before < 100 << 20)
    }

    @Test(arguments: [
        (30_000, 30_000), (178_956_971, 1), (1, 2_000_000), (2_147_483_647, 2_147_483_647),
        (4_294_967_295, 4_294_967_295),
    ])
    func aPNGThatAnnouncesTooMuch(width: Int, height: Int) throws {
        let bytes = try lyingPNG(width: width, height: height)
        #expect(throws: ImagingError.tooLarge(name: "a.png", width: width, height: height)) {
            try PictureDecoder.decode(bytes, name: "a.png")
        }
    }

    @Test(arguments: [(10_000, 10_000), (37, 30), (38, 29), (0, 29), (37, 0), (1 << 20, 100)])
    func aPNGThatAnnouncesMoreThanItHas(width: Int, height: Int) throws {
        let before = peakMemory()
        let bytes = try lyingPNG(width: width, height: height)
        #expect(throws: ImagingError.self) { try PictureDecoder.decode(bytes, name: "a.png") }
        #expect(peakMemory() - before < 100 << 20)
    }

    @Test func aWebPThatAnnouncesTooMuch() throws {
        // The 14-bit sides, less one, follow the signature byte of a lossless picture.
        var bytes = try Fixture.bytes("pictures/decode/lossless.webp")
        #expect(bytes[20] == 0x2F)
        (bytes[21], bytes[22], bytes[23], bytes[24]) = (0xFF, 0xFF, 0xFF, bytes[24] | 0x0F)
        #expect(throws: ImagingError.tooLarge(name: "a", width: 16384, height: 16384)) {
            try PictureDecoder.decode(bytes, name: "a")
        }
    }

    #if os(Linux)
        /// Lack of memory at any stage is an error of the picture, and the process continues.
        @Test func aPictureForWhichThereIsNoMemory() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                let lying = try HostilePictureTests().lyingPNG(width: 12_000, height: 12_000)
                let picture = Picture(
                    width: 4000, height: 1000, pixels: Array(repeating: 9, count: 12_000_000))
                let tiles = try LLaVATiles(
                    tileSide: 4096, patchSide: 64, mean: [0, 0, 0], deviation: [1, 1, 1],
                    layout: .padToSquare)
                let regions = tiles.regions(of: picture.size)
                // A map as large as the picture. Small allocations still succeed when that one fails.
                var wide = PruneMap.Options()
                wide.longestSide = 4000
                let small = try Fixture.bytes("pictures/decode/rgb.png")
                try capAddressSpace(extraBytes: 30 << 20)
                let attempts: [(String, () throws -> Void)] = [
                    ("decoding", { _ = try PictureDecoder.decode(lying, name: "a.png") }),
                    ("resizing", { _ = try picture.resized(width: 9000, height: 9000) }),
                    ("tiling", { _ = try tiles.tiles(of: picture) }),
                    (
                        "turning",
                        {
                            var copies: [Picture] = []
                            for _ in 0..<9 {
                                copies.append(try picture.turned(.turnedLeft, name: "a"))
                            }
                        }
                    ),
                    (
                        "drawing",
                        { [wide] in
                            var maps: [Picture] = []
                            for _ in 0..<9 {
                                maps.append(
                                    try PruneMap.draw(
                                        picture, regions: regions, kept: [], options: wide))
                            }
                        }
                    ),
                ]
                for (name, attempt) in attempts {
                    do {
                        try attempt()
                        fatalError("\(name) did without memory")
                    } catch ImagingError.noMemory {
                        _ = try PictureDecoder.decode(small, name: "small")
                    }
                }
            }
            guard let result else { return }
            let lastLines = String(
                decoding: result.standardErrorContent.suffix(1000), as: UTF8.self)
            #expect(result.exitStatus == .exitCode(0), "\(lastLines)")
        }
    #endif

    /// The golden JPEG with another size in its frame header.
    private func lyingJPEG(width: Int, height: Int) throws -> [UInt8] {
        var bytes = try Fixture.bytes("pictures/decode/444.jpg")
        let frame = try #require(
            bytes.indices.first { bytes[$0...].starts(with: [0xFF, 0xC0, 0x00, 0x11]) })
        (bytes[frame + 5], bytes[frame + 6]) = (UInt8(height >> 8), UInt8(height & 255))
        (bytes[frame + 7], bytes[frame + 8]) = (UInt8(width >> 8), UInt8(width & 255))
        return bytes
    }

    /// The golden PNG with another size in its header, under a valid checksum.
    func lyingPNG(width: Int, height: Int) throws -> [UInt8] {
        var bytes = try Fixture.bytes("pictures/decode/rgb.png")
        for byte in 0..<4 {
            bytes[16 + byte] = UInt8(truncatingIfNeeded: width >> (24 - 8 * byte))
            bytes[20 + byte] = UInt8(truncatingIfNeeded: height >> (24 - 8 * byte))
        }
        let checksum = crc32(bytes[12..<29])
        for byte in 0..<4 {
            bytes[29 + byte] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * UInt32(byte)))
        }
        return bytes
    }
}

extension ImagingError {
    /// Whether the error says that content ends too early.
    fileprivate var isAboutMissingBytes: Bool {
        switch self {
        case .empty, .truncated: true
        default: false
        }
    }
}

/// The most memory that the process ever used, in bytes.
private func peakMemory() -> Int {
    var usage = rusage()
    #if canImport(Darwin)
        getrusage(RUSAGE_SELF, &usage)
        return usage.ru_maxrss
    #else
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    #endif
}

/// The checksum of PNG chunks (ISO 3309).
private func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { checksum, byte in
        (0..<8).reduce(checksum ^ UInt32(byte)) { value, _ in
            value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1
        }
    }
}
