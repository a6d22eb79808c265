// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Imaging

/// What people hand over instead of a picture.
@Suite struct PictureFileTests {
    @Test func aMissingFile() {
        #expect(
            throws: ImagingError.unreadable(
                name: "/no/such/picture.jpg", reason: "No such file or directory")
        ) { try PictureDecoder.load(path: "/no/such/picture.jpg") }
    }

    @Test func aFolder() throws {
        let folder = try TemporaryFolder()
        #expect(
            throws: ImagingError.unreadable(name: folder.path, reason: "Is a directory")
        ) { try PictureDecoder.load(path: folder.path) }
    }

    @Test func anEmptyFile() throws {
        let file = try TemporaryFile([])
        #expect(throws: ImagingError.empty(name: file.path)) {
            try PictureDecoder.load(path: file.path)
        }
    }

    @Test(arguments: [
        "Dear all,\n", "\u{FEFF}[]", "{\"a\": 1}", "GG", String(repeating: "a", count: 99),
    ])
    func aText(content: String) throws {
        let file = try TemporaryFile(Array(content.utf8))
        #expect(throws: ImagingError.unknownFormat(name: file.path)) {
            try PictureDecoder.load(path: file.path)
        }
    }

    @Test(arguments: [
        ("GIF89a", "GIF"), ("BM6000", "BMP"), ("II*\0abcd", "TIFF"), ("MM\0*abcd", "TIFF"),
        ("\0\0\0\u{18}ftypheic", "HEIC"), ("\0\0\0\u{18}ftypmif1", "HEIC"),
        ("\0\0\0\u{1C}ftypavif", "AVIF"), ("8BPS", "Photoshop"), ("%PDF-1.7", "PDF"),
        ("<svg xmlns=", "SVG"), ("\0\0\0\u{0C}jP  \r\n", "JPEG 2000"),
        ("\0\0\0\u{0C}JXL \r\n", "JPEG XL"),
    ])
    func aPictureOfAnotherKind(content: String, kind: String) throws {
        let file = try TemporaryFile(Array(content.utf8))
        let error = #expect(throws: ImagingError.self) {
            try PictureDecoder.load(path: file.path)
        }
        #expect(error == .unsupported(name: file.path, kind: kind))
        #expect(error?.description.contains("\(file.path): \(kind) is not supported") == true)
    }

    @Test func aHugeFileThatIsNoPictureIsNotRead() throws {
        let file = try TemporaryFile([])
        let handle = try #require(FileHandle(forWritingAtPath: file.path))
        try handle.truncate(atOffset: 1 << 36)  // 64 GiB, all of it a hole
        try handle.close()
        #expect(throws: ImagingError.unknownFormat(name: file.path)) {
            try PictureDecoder.load(path: file.path)
        }
    }

    @Test func anEndlessFile() throws {
        let file = try TemporaryFile(Fixture.bytes("pictures/decode/rgb.png"))
        #expect(throws: ImagingError.fileTooLong(name: "a", limit: 1000)) {
            try PictureFile.contents(path: file.path, name: "a", limit: 1000)
        }
    }

    @Test func standardInput() throws {
        let stored = dup(STDIN_FILENO)
        let file = open(Fixture.path("pictures/decode/rgb.png"), O_RDONLY)
        dup2(file, STDIN_FILENO)
        defer {
            dup2(stored, STDIN_FILENO)
            close(stored)
            close(file)
        }
        #expect(try PictureDecoder.load(path: "-") == golden("decode/rgb.png"))
        #expect(throws: ImagingError.empty(name: "standard input")) {
            try PictureDecoder.load(path: "-")
        }
    }
}

/// A file in a folder of its own.
private struct TemporaryFile {
    private let folder: TemporaryFolder
    let path: String

    init(_ bytes: [UInt8]) throws {
        folder = try TemporaryFolder()
        path = try folder.write(bytes, to: "picture.jpg")
    }
}
