// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import GGUF

/// Files that people mistake for GGUF files are named in the message.
@Suite struct ForeignFileTests {
    private static let zeros = [UInt8](repeating: 0, count: 40)

    private static let tar: [UInt8] =
        Array("model.gguf".utf8) + [UInt8](repeating: 0, count: 247) + Array("ustar".utf8) + zeros

    static let files: [(bytes: [UInt8], kind: ForeignFile, message: String)] = [
        (
            Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".utf8),
            .gitLFSPointer, "a Git LFS pointer"
        ),
        (Array("<!DOCTYPE html><html>".utf8), .webPage, "a web page"),
        (Array("\u{FEFF}\r\n <HTML lang=en>".utf8), .webPage, "a web page"),
        ([90, 1, 0, 0, 0, 0, 0, 0] + Array("{\"a\":{}}".utf8), .safetensors, "safetensors"),
        ([0x80, 0x02, 0x8A, 0x0A] + zeros, .pickle, "a Python pickle"),
        (Array("PK\u{3}\u{4}".utf8) + zeros, .zip, "a ZIP archive"),
        (Array("tjgg".utf8) + zeros, .olderGGML, "formats before GGUF"),
        ([0x1F, 0x8B, 8] + zeros, .archive("gzip"), "a gzip file"),
        (tar, .archive("tar"), "a tar file"),
        ([0xFF, 0xD8, 0xFF, 0xE0] + zeros, .picture("JPEG"), "a JPEG picture"),
        (
            Array("Entry not found".utf8), .text("Entry not found"),
            "begins with \"Entry not found\""
        ),
        (Array("{\"error\":\n1}".utf8), .text("{\"error\":"), "begins with \"{\"error\":\""),
    ]

    @Test(arguments: files.indices)
    func isCalledByItsName(index: Int) throws {
        let (bytes, kind, message) = Self.files[index]
        #expect(ForeignFile(start: bytes) == kind)
        try expectRefusal(bytes, ["not a GGUF file, but", message])
        // Recognising any cut of it must not crash.
        for count in 0..<bytes.count { _ = ForeignFile(start: bytes.prefix(count)) }
    }

    @Test(arguments: [[], [0], [7, 7, 7, 7, 7], Array("GGML".utf8) + zeros] as [[UInt8]])
    func whatIsNotKnownHasNoName(bytes: [UInt8]) {
        #expect(ForeignFile(start: bytes) == nil)
    }
}
