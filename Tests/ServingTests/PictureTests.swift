// SPDX-License-Identifier: Apache-2.0
import Foundation
import Imaging
import TestSupport
import Testing
import TrimLLaVA

@testable import Serving

/// Pictures of all kinds and shapes.
@Suite struct PictureTests {
    private static func text(_ server: TestServer, _ file: [UInt8]) async throws -> String? {
        let answer = try await server.chat(exactly(8, [question("What?", [dataURL(file)])]))
        #expect(answer.status == 200, "\(answer.text)")
        return try answer.value("choices", "0", "message", "content") as? String
    }

    private static func expected(_ server: TestServer, _ file: [UInt8]) throws -> String {
        let picture = try PictureDecoder.decode(file, name: "picture")
        return try server.llava.conversation().ask(
            "What?", pictures: [picture], options: exactly(8)
        ).text
    }

    @Test(arguments: ["llava-1.5-gqa", "llava-next-mistral"])
    func shapesThatHaveCrashedOthersAreAnswered(model: String) async throws {
        try await TestServer.run(model) { server in
            for (width, height) in [(1, 1), (1, 5000), (5000, 1), (500, 19), (19, 500), (2, 3)] {
                let file = try PlainPicture.png(width: width, height: height)
                #expect(
                    try await Self.text(server, file) == Self.expected(server, file),
                    "\(width)×\(height)")
            }
        }
    }

    /// Every file that the decoders' tests read, whatever type the address claims.
    @Test func everyFormatIsAnswered() async throws {
        try await TestServer.run { server in
            let folder = Fixture.path("pictures/decode")
            let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            let files = names.filter { [".jpg", ".png", ".webp"].contains(where: $0.hasSuffix) }
            try #require(files.count > 5)
            for name in files {
                let file = try Fixture.bytes("pictures/decode/\(name)")
                guard let expected = try? Self.expected(server, file) else {
                    let answer = try await server.chat(
                        exactly(2, [question("What?", [dataURL(file)])]))
                    #expect(answer.status == 400, "\(name)")
                    continue
                }
                #expect(try await Self.text(server, file) == expected, "\(name)")
            }
        }
    }

    /// The content decides what a picture is, whatever the address or the name of the file claims.
    @Test func typesThatLieDoNoHarm() async throws {
        let names = ["444.jpg", "grey-alpha.png", "lossy.webp", "animated.webp"]
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("trimllava-types-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let media = try #require(realpath(folder.path, nil).map { String(cString: $0) })
        try await TestServer.run {
            $0.mediaFolder = media
        } _: { server in
            for name in names {
                let file = try Fixture.bytes("pictures/decode/\(name)")
                let expected = try Self.expected(server, file)
                var addresses = [
                    "image/png", "image/jpeg", "image/webp", "IMAGE/JPG", "text/plain", "",
                    "image/png;name=a.gif;charset=utf-8",
                ].map { dataURL(file, type: $0) }
                for suffix in ["png", "jpg", "webp", "txt"] {
                    try Data(file).write(to: folder.appendingPathComponent("\(name).\(suffix)"))
                    addresses.append("file://\(name).\(suffix)")
                }
                for address in addresses {
                    let answer = try await server.chat(exactly(8, [question("What?", [address])]))
                    let text = try answer.value("choices", "0", "message", "content") as? String
                    #expect(text == expected, "\(name) as \(address.prefix(40))")
                }
                // Half of it is refused, and does not leave anything behind.
                let half = dataURL(Array(file.prefix(file.count / 2)), type: "image/png")
                let cut = try await server.chat(exactly(8, [question("What?", [half])]))
                #expect(cut.status == 400 || cut.status == 200, "\(name) \(cut.text)")
                try await expectService(server)
            }
        }
    }

    /// The header tells the size that the decoded picture has.
    @Test func headersTellTheSize() throws {
        let folder = Fixture.path("pictures/decode")
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            guard [".jpg", ".png", ".webp"].contains(where: name.hasSuffix) else { continue }
            let file = try Fixture.bytes("pictures/decode/\(name)")
            for turns in [true, false] {
                guard
                    let picture = try? PictureDecoder.decode(
                        file, name: name, applyOrientation: turns)
                else { continue }
                #expect(
                    try PictureDecoder.size(of: file, name: name, applyOrientation: turns)
                        == picture.size, "\(name)")
            }
        }
    }

    @Test func manyPicturesLeaveNoMemoryBehind() async throws {
        try await TestServer.run { server in
            func bytesInFlight() async throws -> Double {
                try await server.metric("bytes_in_flight")
            }
            for index in 0..<40 {
                let file = try PlainPicture.png(width: 20 + index, height: 30)
                _ = try await Self.text(server, file)
            }
            #expect(try await bytesInFlight() == 0)
        }
    }
}

/// Pictures of one colour.
enum PlainPicture {
    static func png(width: Int, height: Int) throws -> [UInt8] {
        let pixels = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("trimllava-\(UUID().uuidString).png").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try PNGEncoder.write(Picture(width: width, height: height, pixels: pixels), to: path)
        return try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
    }
}
