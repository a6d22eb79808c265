// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Imaging

/// The pictures of `tools/make-picture-goldens`, compared with Pillow's results.
@Suite struct PictureDecoderTests {
    static let names = PictureFixtures.names(in: "decode").filter { !$0.hasSuffix(".npy") }

    @Test(arguments: names)
    func decodesAsPillowDoes(name: String) throws {
        let picture = try PictureDecoder.load(path: Fixture.path("pictures/decode/\(name)"))
        #expect(picture == (try golden("decode/\(name)")))
    }

    /// Pictures without a golden file of their own are opaque.
    @Test(arguments: names)
    func laysOnWhiteAsPillowDoes(name: String) throws {
        let picture = try PictureDecoder.load(
            path: Fixture.path("pictures/decode/\(name)"), transparency: .onWhite)
        let folder = Self.transparentNames.contains(name) ? "on-white" : "decode"
        #expect(picture == (try golden("\(folder)/\(name)")))
    }

    static let transparentNames = PictureFixtures.names(in: "on-white").map {
        String($0.dropLast(".npy".count))
    }

    /// Every alpha and every sample, as `AlphaComposite.c` computes them for a canvas of any alpha.
    @Test func everySampleIsRoundedAsByPillow() throws {
        let picture = try Picture(onWhite: PixelSize(width: 256, height: 256), name: "") { rgba in
            for index in 0..<256 * 256 {
                rgba[index * 4] = UInt8(index % 256)
                rgba[index * 4 + 1] = 0
                rgba[index * 4 + 2] = 255
                rgba[index * 4 + 3] = UInt8(index / 256)
            }
        }
        for alpha in 0..<256 {
            let covered = alpha * 255 + 255 * (255 - alpha)
            let weight = alpha * 255 * 255 * 128 / covered
            for sample in 0..<256 {
                let sum = sample * weight + 255 * (255 * 128 - weight) + 0x80 * 128
                let expected = alpha == 0 ? 255 : (((sum >> 8) + sum) >> 8) >> 7
                #expect(Int(picture.pixels[(alpha * 256 + sample) * 3]) == expected)
            }
        }
    }

    @Test func readsEveryKindOfEncoding() {
        #expect(Self.transparentNames.count >= 10)
        #expect(Self.names.count >= 50)
    }

    @Test(arguments: 1...8)
    func leavesTheOrientationWhereAsked(orientation: Int) throws {
        let path = Fixture.path("pictures/decode/orientation-\(orientation).jpg")
        let stored = try PictureDecoder.load(path: path, applyOrientation: false)
        #expect(stored == (try golden("decode/orientation-1.jpg")))
    }

    @Test func tellsFormatsByContent() throws {
        let folder = try TemporaryFolder()
        for (name, wrongName) in [("444.jpg", "a.png"), ("rgb.png", "b.webp"), ("lossy.webp", "c")]
        {
            let bytes = try Fixture.bytes("pictures/decode/\(name)")
            let path = try folder.write(bytes, to: wrongName)
            #expect(try PictureDecoder.load(path: path) == golden("decode/\(name)"))
        }
    }
}
