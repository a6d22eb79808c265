// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Imaging

@Suite struct OrientationTests {
    /// One directory with the entries given as tag, type, count, value.
    static func tiff(_ entries: [[UInt16]], littleEndian: Bool, directory: UInt8 = 8) -> [UInt8] {
        func bytes(_ number: UInt16) -> [UInt8] {
            let (high, low) = (UInt8(number >> 8), UInt8(number & 255))
            return littleEndian ? [low, high] : [high, low]
        }
        let start: [UInt8] =
            littleEndian
            ? Array("II*\0".utf8) + [directory, 0, 0, 0]
            : Array("MM\0*".utf8) + [0, 0, 0, directory]
        return entries.reduce(start + bytes(UInt16(entries.count))) { content, entry in
            let count = littleEndian ? bytes(entry[2]) + [0, 0] : [0, 0] + bytes(entry[2])
            return content + bytes(entry[0]) + bytes(entry[1]) + count + bytes(entry[3]) + [0, 0]
        }
    }

    @Test(arguments: Orientation.allCases, [true, false])
    func isReadInBothByteOrders(orientation: Orientation, littleEndian: Bool) {
        let entries: [[UInt16]] = [
            [0x010F, 3, 1, 7], [0x0112, 3, 1, UInt16(orientation.rawValue)], [0x0113, 3, 1, 5],
        ]
        let content = Self.tiff(entries, littleEndian: littleEndian)
        #expect(Orientation(exif: content, xmp: nil) == orientation)
    }

    @Test(
        arguments: [
            [], [0x4D], Array("MM\0*".utf8), tiff([], littleEndian: true),
            tiff([[0x0112, 3, 1, 0]], littleEndian: true),
            tiff([[0x0112, 3, 1, 9]], littleEndian: false),
            tiff([[0x0112, 2, 1, 6]], littleEndian: true),
            tiff([[0x0112, 3, 1, 6]], littleEndian: true, directory: 255),
            Array(tiff([[0x0112, 3, 1, 6]], littleEndian: true).dropLast(4)),
        ] as [[UInt8]])
    func isUprightWhereNoneIsNamed(content: [UInt8]) {
        #expect(Orientation(exif: content, xmp: nil) == .upright)
    }

    @Test(
        arguments: [
            (Orientation.mirrored, [2, 1, 4, 3, 6, 5]), (.upsideDown, [6, 5, 4, 3, 2, 1]),
            (.flipped, [5, 6, 3, 4, 1, 2]), (.transposed, [1, 3, 5, 2, 4, 6]),
            (.turnedLeft, [5, 3, 1, 6, 4, 2]), (.transposedUpsideDown, [6, 4, 2, 5, 3, 1]),
            (.turnedRight, [2, 4, 6, 1, 3, 5]),
        ] as [(Orientation, [UInt8])])
    func turnsPixels(orientation: Orientation, expected: [UInt8]) throws {
        let stored = Picture(
            width: 2, height: 3, pixels: (1...6).flatMap { [$0, $0, $0] })
        let turned = try stored.turned(orientation, name: "a")
        #expect(turned.width == (orientation.swapsSides ? 3 : 2))
        #expect(Array(turned.pixels) == expected.flatMap { [$0, $0, $0] })
    }

    @Test(
        arguments: [
            ("tiff:Orientation=\"6\"", .turnedLeft), ("<tiff:Orientation>3</", .upsideDown),
            ("tiff:Orientation tiff:Orientation='6' tiff:Orientation=\"2\"", .mirrored),
            ("tiff:Orientation=\"", .upright), ("tiff:Orientation", .upright),
            ("tiff:Orientation=\"9\"", .upright), ("exif:Orientation=\"6\"", .upright),
        ] as [(String, Orientation)])
    func isReadInXMP(document: String, orientation: Orientation) {
        let xmp = Array(document.utf8)
        #expect(Orientation(exif: nil, xmp: xmp) == orientation)
        // Anything but a TIFF structure is ignored. An orientation tag counts, even with a value outside 1 to 8.
        #expect(Orientation(exif: [1, 2, 3], xmp: xmp) == orientation)
        let named = Self.tiff([[0x0112, 3, 1, 0]], littleEndian: true)
        #expect(Orientation(exif: named, xmp: xmp) == .upright)
    }

    /// Reading any cut of EXIF data must not crash.
    @Test func cutDataAreReadWithoutHarm() {
        for type in 0...20 {
            let whole = Self.tiff(
                [[0x010F, 2, 4, 0], [0x0112, UInt16(type), 1, 6]], littleEndian: true)
            for count in 0...whole.count {
                _ = Orientation(exif: Array(whole.prefix(count)), xmp: nil)
            }
        }
    }
}
