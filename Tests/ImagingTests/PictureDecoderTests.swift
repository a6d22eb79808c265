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

    @Test func readsEveryKindOfEncoding() {
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
