// SPDX-License-Identifier: Apache-2.0
import CPNG
import Foundation
import TestSupport
import Testing

@testable import Imaging

@Suite struct PNGEncoderTests {
    @Test(arguments: [(1, 1), (1, 997), (997, 1), (2, 3), (257, 131), (1024, 1023)])
    func noiseComesBack(width: Int, height: Int) throws {
        let picture = noise(width: width, height: height)
        let bytes = try PNGEncoder.png(picture)
        #expect(try PictureDecoder.decode(bytes, name: "noise") == picture)
    }

    @Test(arguments: ["chelsea.png", "rocket.jpg"])
    func aPhotographComesBack(name: String) throws {
        let picture = try samplePhotograph(name)
        let bytes = try PNGEncoder.png(picture)
        #expect(try PictureDecoder.decode(bytes, name: name) == picture)
        // Photographs compress to well below 24 bits a pixel.
        #expect(bytes.count < picture.pixels.count * 3 / 4)
    }

    @Test func aSideThatPNGCannotHold() throws {
        // libpng's limit is 2^31 − 1; it refuses the header before it reads a pixel.
        var sink = CPNGSink()
        cpng_encode(&sink, 1 << 31, 1, nil)
        #expect(sink.result == CPNGUnwritten)
        free(sink.bytes)
    }

    @Test func replacesAFile() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write([1, 2, 3], to: "map.png")
        let picture = noise(width: 31, height: 17)
        try PNGEncoder.write(picture, to: path)
        #expect(try PictureDecoder.load(path: path) == picture)
        #expect(try contents(of: folder) == ["map.png"])
    }

    @Test func followsASymbolicLink() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write([], to: "map.png")
        let link = folder.path + "/link.png"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
        let picture = noise(width: 3, height: 2)
        try PNGEncoder.write(picture, to: link)
        #expect(try PictureDecoder.load(path: path) == picture)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == path)
    }

    @Test func pathsThatCannotBeWritten() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write([], to: "file")
        let long = folder.path + "/" + String(repeating: "a", count: 300)
        for (path, reason) in [
            (folder.path + "/no/such/map.png", "No such file or directory"),
            (folder.path, "Is a directory"), (file + "/map.png", "Not a directory"),
            ("", "No such file or directory"), (long, "File name too long"),
        ] {
            let error = #expect(throws: ImagingError.self) {
                try PNGEncoder.write(noise(width: 2, height: 2), to: path)
            }
            #expect(error == .unwritable(name: path, reason: reason))
            #expect(error?.description == "\(path): cannot be written: \(reason)")
        }
        #expect(try contents(of: folder) == ["file"])
    }

    #if os(Linux)
        @Test func aFullDisk() {
            #expect(
                throws: ImagingError.unwritable(
                    name: "/dev/full", reason: "No space left on device")
            ) { try PNGEncoder.write(noise(width: 200, height: 200), to: "/dev/full") }
        }
    #endif

    @Test func aDeviceStaysOne() throws {
        try PNGEncoder.write(noise(width: 2, height: 2), to: "/dev/null")
        let type = try FileManager.default.attributesOfItem(atPath: "/dev/null")[.type]
        #expect(type as? FileAttributeType == .typeCharacterSpecial)
    }

    private func contents(of folder: TemporaryFolder) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
    }
}
