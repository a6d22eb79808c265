// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TestSupport
import Testing

@testable import Captioning

@Suite struct AppendedFileTests {
    private let folder: TemporaryFolder
    private let path: FilePath

    init() throws {
        folder = try TemporaryFolder()
        path = FilePath(folder.path + "/records.jsonl")
    }

    private var text: String {
        get throws { try String(contentsOfFile: path.text, encoding: .utf8) }
    }

    private func lines(_ file: AppendedFile) throws -> [String] {
        var lines: [String] = []
        try file.forEachLine { line, number in
            lines.append("\(number):" + String(decoding: line, as: UTF8.self))
        }
        return lines
    }

    @Test(arguments: ["", "a\nb\n", "a\nb\nc", "torn", "a\n\0\0\0", "\n"])
    func aLastLineWithoutEndIsCutOff(content: String) throws {
        try folder.write(Array(content.utf8), to: "records.jsonl")
        let file = try AppendedFile(path)
        #expect(try text == content)
        try file.dropTornLine()
        let whole = String(
            content[
                ..<(content.lastIndex(of: "\n").map { content.index(after: $0) }
                    ?? content.startIndex)])
        #expect(try text == whole)
        try file.append(Array("new\n".utf8))
        #expect(try text == whole + "new\n")
        #expect(file.length == whole.utf8.count + 4)
    }

    /// Lines longer than the chunks in which the file is read.
    @Test(arguments: [4095, 4096, 4097, 300_000])
    func aLongTornLineIsCutOff(length: Int) throws {
        let line = Array("whole\n".utf8)
        try folder.write(line + Array(repeating: 0x61, count: length), to: "records.jsonl")
        let file = try AppendedFile(path)
        try file.dropTornLine()
        #expect(try text == "whole\n")
        let long = String(repeating: "b", count: length)
        try file.append(Array((long + "\n").utf8))
        #expect(try lines(file) == ["1:whole", "2:" + long])
    }

    @Test func twoCannotWriteTheSameFile() throws {
        var first: AppendedFile? = try AppendedFile(path)
        #expect(throws: CaptioningError.inUse(path: path.text)) { try AppendedFile(path) }
        try first?.append(Array("a\nb\n".utf8))
        try first?.rewrite { $0 == 2 }
        #expect(throws: CaptioningError.inUse(path: path.text)) { try AppendedFile(path) }
        first = nil
        #expect(try lines(AppendedFile(path)) == ["1:b"])
    }

    #if os(Linux)
        /// A child process between fork and exec has copies of all open descriptors.
        @Test func copiesOfADescriptorDoNotKeepTheLock() throws {
            var file: AppendedFile? = try AppendedFile(path)
            try file?.rewrite { _ in true }
            let copies = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
                .compactMap(Int32.init).filter { descriptor in
                    let link = "/proc/self/fd/\(descriptor)"
                    let target = try? FileManager.default.destinationOfSymbolicLink(atPath: link)
                    return target == path.text
                }.map { dup($0) }
            defer { for copy in copies { close(copy) } }
            #expect(!copies.isEmpty)
            #expect(throws: CaptioningError.inUse(path: path.text)) { try AppendedFile(path) }
            file = nil
            #expect(try lines(AppendedFile(path)) == [])
        }
    #endif

    @Test func rewritingKeepsLinesAndGoesOn() throws {
        let file = try AppendedFile(path)
        for line in ["a", "", "c", "d"] { try file.append(Array("\(line)\n".utf8)) }
        try file.rewrite { $0 != 3 }
        try file.append(Array("e\n".utf8))
        #expect(try text == "a\n\nd\ne\n")
        #expect(file.length == 7)
        try file.rewrite { _ in false }
        #expect(try text == "")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 1)
    }

    @Test func rewritingKeepsAUsersFileBesideIt() throws {
        try folder.write(Array("the user's".utf8), to: "records.jsonl.new")
        let file = try AppendedFile(path)
        try file.append(Array("a\n".utf8))
        try file.rewrite { _ in true }
        #expect(
            try String(contentsOfFile: path.text + ".new", encoding: .utf8) == "the user's")
    }

    @Test func aLinkStaysAndItsTargetIsRewritten() throws {
        let target = try folder.write(Array("a\nb\n".utf8), to: "target")
        chmod(target, 0o640)
        symlink("target", path.text)
        let file = try AppendedFile(path)
        try file.rewrite { $0 == 2 }
        try file.append(Array("c\n".utf8))
        #expect(try String(contentsOfFile: target, encoding: .utf8) == "b\nc\n")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path.text) == "target")
        let mode = try FileManager.default.attributesOfItem(atPath: target)[.posixPermissions]
        #expect(mode as? Int == 0o640)
    }

    @Test func aFileThatIsGoneIsAnError() throws {
        let file = try AppendedFile(path)
        try file.append(Array("a\n".utf8))
        unlink(path.text)
        #expect(throws: CaptioningError.removed(path: path.text)) {
            try file.append(Array("b\n".utf8))
        }
        try folder.write(Array("another\n".utf8), to: "records.jsonl")
        #expect(throws: CaptioningError.removed(path: path.text)) {
            try file.append(Array("b\n".utf8))
        }
    }

    @Test func whatCannotBeOpenedIsAnError() throws {
        #expect(throws: CaptioningError.self) { try AppendedFile(FilePath(folder.path)) }
        #expect(throws: CaptioningError.self) {
            try AppendedFile(FilePath(folder.path + "/absent/records.jsonl"))
        }
        #expect(throws: CaptioningError.self) {
            try AppendedFile(FilePath("/dev/full")).append(Array("a\n".utf8))
        }
    }
}
