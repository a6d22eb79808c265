// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import UserText

@Suite struct UserTextTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A text in UTF-16.
    private static func utf16(_ text: String, isBigEndian: Bool, mark: Bool = true) -> [UInt8] {
        ((mark ? "\u{FEFF}" : "") + text).utf16.flatMap { unit in
            let (low, high) = (UInt8(unit & 0xFF), UInt8(unit >> 8))
            return isBigEndian ? [high, low] : [low, high]
        }
    }

    @Test(arguments: ["one\r\n\r\ntwo é 🎈 \r x\r\n", "", "\n", "\r\n", "a", "\u{FEFF}a"])
    func allSystemsTextsAreTheSame(text: String) throws {
        let expected = text.replacing("\r\n", with: "\n")
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        for bytes in [
            mark + Array(text.utf8), Self.utf16(text, isBigEndian: false),
            Self.utf16(text, isBigEndian: true),
        ] {
            let found = try UserText.text(bytes, place: "it")
            #expect(found.unicodeScalars.elementsEqual(expected.unicodeScalars))
        }
        let path = try folder.write(mark + Array(text.utf8), to: "text")
        let found = try UserText.text(at: path.utf8)
        #expect(found.unicodeScalars.elementsEqual(expected.unicodeScalars))
    }

    @Test(arguments: [
        ([0xFF], 0), ([0x61, 0xC3, 0x28], 1), ([0xC3, 0xA9, 0xE2, 0x82], 2),
        ([0x61, 0xED, 0xA0, 0x80], 1), ([0xF0, 0x9F, 0x98, 0x80, 0xC0, 0x80], 4),
        ([0xEF, 0xBB, 0xBF, 0x0D, 0x0A, 0xFF], 5),
    ])
    func whereATextIsNotUTF8IsSaid(bytes: [UInt8], offset: Int) throws {
        let path = try folder.write(bytes, to: "text")
        let error = UserTextError.notUTF8(place: path, offset: offset)
        #expect(throws: error) { try UserText.text(at: path.utf8) }
        #expect("\(error)" == "\(path) is not valid UTF-8 at byte \(offset)")
    }

    @Test func whereATextIsNotUTF16IsSaid() {
        for (bytes, offset): ([UInt8], Int) in [
            ([0xFF, 0xFE, 0x61], 2), ([0xFF, 0xFE, 0x61, 0, 0x00, 0xD8], 4),
            ([0xFE, 0xFF, 0, 0x61, 0xDC, 0, 0, 0x61], 4), ([0xFE, 0xFF, 0xD8, 0x3C, 0, 0x61], 2),
        ] {
            #expect(throws: UserTextError.notUTF16(place: "it", offset: offset), "\(bytes)") {
                try UserText.text(bytes, place: "it")
            }
        }
    }

    @Test func otherEncodingsAreRefusedByName() {
        for (bytes, name): ([UInt8], String) in [
            ([0xFF, 0xFE, 0, 0, 0x61, 0, 0, 0], "UTF-32"), ([0, 0, 0xFE, 0xFF], "UTF-32"),
            (
                Self.utf16("What?", isBigEndian: false, mark: false),
                "UTF-16 without a byte order mark"
            ),
            (
                Self.utf16("What?", isBigEndian: true, mark: false),
                "UTF-16 without a byte order mark"
            ),
        ] {
            #expect(throws: UserTextError.otherEncoding(place: "it", name: name)) {
                try UserText.text(bytes, place: "it")
            }
            #expect(throws: UserTextError.self) { try UserText.line(bytes, place: "it") }
        }
    }

    @Test func linesHaveNoEnds() throws {
        #expect(UserText.lines(of: "one\n\n two") == ["one", "", " two"])
        #expect(UserText.lines(of: "\u{0}a\n\n") == ["\u{0}a", ""])
        #expect(UserText.lines(of: "") == [])
        #expect(try UserText.line("é\r".utf8, place: "it") == "é")
        #expect(try UserText.line([0xEF, 0xBB, 0xBF, 0x61, 0x0D], place: "it") == "a")
        #expect(throws: UserTextError.otherEncoding(place: "it", name: "UTF-16")) {
            try UserText.line([0xFF, 0xFE, 0x61, 0, 0x0D, 0], place: "it")
        }
    }

    @Test func aListHasLinesOrNULs() throws {
        func entries(_ bytes: [UInt8]) throws -> [[UInt8]] {
            try UserText.entries(of: bytes, place: "it").map(Array.init)
        }
        let (a, b) = (Array("a b".utf8), Array("é".utf8))
        #expect(try entries([0xEF, 0xBB, 0xBF] + a + [13, 10, 13, 10] + b) == [a, b])
        for isBigEndian in [false, true] {
            #expect(try entries(Self.utf16("a b\r\né\r\n", isBigEndian: isBigEndian)) == [a, b])
        }
        #expect(try entries(a + [13, 10, 0] + b + [13, 0, 0]) == [a + [13, 10], b + [13]])
        #expect(try entries([0xFF, 10]) == [[0xFF]])
        // One-byte names are not mistaken for UTF-16.
        #expect(try entries([0x61, 0, 0x62, 0]) == [[0x61], [0x62]])
    }

    @Test func whatNeverEndsIsRefused() throws {
        #expect(throws: UserTextError.tooLong(place: "/dev/zero", limit: 1000)) {
            try UserText.text(at: "/dev/zero".utf8, limit: 1000)
        }
        let path = try folder.write(Array(repeating: 65, count: 200_001), to: "long")
        #expect(try UserText.text(at: path.utf8, limit: 200_001).utf8.count == 200_001)
        #expect(throws: UserTextError.tooLong(place: path, limit: 200_000)) {
            try UserText.text(at: path.utf8, limit: 200_000)
        }
    }

    @Test func whyAFileCannotBeReadIsSaid() {
        for (path, reason) in [
            (folder.path + "/missing", "No such file or directory"),
            (folder.path, "Is a directory"),
        ] {
            #expect(throws: UserTextError.unreadable(path: path, reason: reason)) {
                try UserText.text(at: path.utf8)
            }
        }
    }

    @Test func everyByteStaysWhereThatIsAsked() throws {
        #expect(try UserText.exactText(Array("\u{FEFF}a\r\n".utf8), place: "it") == "\u{FEFF}a\r\n")
        #expect(throws: UserTextError.notUTF8(place: "argument 1", offset: 1)) {
            try UserText.exactText([0x61, 0xFF], place: "argument 1")
        }
    }
}
