// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Imaging

/// Files that people name instead of pictures.
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
        ("\0\0\0\u{1C}ftypmif1\0\0\0\0mif1avif", "AVIF"), ("\0\0\0\u{18}ftypcrx ", "Canon's raw"),
        ("\0\0\u{1}\0\u{2}\0\u{10}\u{10}\0\0\u{1}\0", "ICO"),
        ("\0\0\u{2}\0\u{1}\0\u{10}\u{10}\0\0", "CUR"),
        ("\u{A}\u{5}\u{1}\u{8}\0\0", "PCX"), ("P6\n3 2\n255\n", "PNM (PBM, PGM, PPM, PAM)"),
        ("P1 1 1 0", "PNM (PBM, PGM, PPM, PAM)"), ("qoif\0", "QOI"), ("DDS |", "DDS"),
        ("<?xml version='1.0'?>\n<!-- drawn -->\n<svg width='1'>", "SVG"),
        ("\u{FEFF} <SVG>", "SVG"), ("#?RADIANCE\n", "Radiance HDR"),
        ("\0\0\u{2}\0\0\0\0\0\0\0\0\0\u{8}\0\u{8}\0\u{18}\0", "TGA"),
        ("\0\0\u{B}\0\0\0\0\0\0\0\0\0\u{8}\0\u{8}\0\u{8}\0", "TGA"),
    ])
    func aPictureOfAnotherKind(content: String, kind: String) throws {
        let file = try TemporaryFile(Array(content.utf8))
        let error = #expect(throws: ImagingError.self) {
            try PictureDecoder.load(path: file.path)
        }
        #expect(error == .unsupported(name: file.path, kind: kind))
        #expect(error?.description.contains("\(file.path): \(kind) is not supported") == true)
    }

    @Test(arguments: [
        ("PK\u{3}\u{4}abcd", "a ZIP archive"), ("Rar!\u{1A}", "a RAR archive"),
        ("BZh91AY", "a bzip2 file"), ("GGUF\u{3}", "a GGUF model"),
        ("<!DOCTYPE html>\n<html><svg>", "a web page"), ("\n<html>", "a web page"),
        ("version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
        ("RIFF\0\0\0\0AVI LIST", "an AVI video"), ("\0\0\0\u{18}ftypisom", "a video"),
        (String(repeating: "\0", count: 257) + "ustar\0", "a tar archive"),
    ])
    func whatIsNoPictureIsCalledByItsName(content: String, kind: String) throws {
        let file = try TemporaryFile(Array(content.utf8))
        let error = #expect(throws: ImagingError.self) {
            try PictureDecoder.load(path: file.path)
        }
        guard case .notPicture(let name, let found) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(name == file.path && found.hasPrefix(kind))
    }

    /// Recognising any cut of any kind's first bytes must not crash.
    @Test func anyBeginningIsLookedAtWithoutHarm() {
        var random = SeededGenerator(seed: 4)
        let starts = ["RIFF", "\0\0\0\u{FF}ftyp", "<", "P", "\0\0\u{2}", "\u{A}", "\0\0\u{1}"]
        for round in 0..<5000 {
            let start = Array(starts[round % starts.count].utf8)
            let rest = (0..<Int.random(in: 0..<600, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            _ = PictureFormat(prefix: start + rest)
        }
    }

    /// JPEGs that the library does not support are not reported as damaged.
    @Test(
        arguments: [
            (0xC0, 12, "JPEG of 12 bits per sample"), (0xC3, 8, "lossless JPEG"),
            (0xC5, 8, "hierarchical JPEG"), (0xF7, 8, "JPEG-LS"),
        ] as [(UInt8, UInt8, String)])
    func aJPEGOfAnUnusualKind(marker: UInt8, bits: UInt8, kind: String) throws {
        var bytes = try Fixture.bytes("pictures/decode/444.jpg")
        let frame = try #require(
            bytes.indices.first { bytes[$0...].starts(with: [0xFF, 0xC0, 0x00, 0x11]) })
        (bytes[frame + 1], bytes[frame + 4]) = (marker, bits)
        #expect(throws: ImagingError.unsupported(name: "a.jpg", kind: kind)) {
            try PictureDecoder.decode(bytes, name: "a.jpg")
        }
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

/// A file in its own folder.
private struct TemporaryFile {
    private let folder: TemporaryFolder
    let path: String

    init(_ bytes: [UInt8]) throws {
        folder = try TemporaryFolder()
        path = try folder.write(bytes, to: "picture.jpg")
    }
}
