// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import FileOutput

@Suite struct OutputFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func path(_ name: String) -> FilePath { FilePath(folder.path + "/" + name) }

    private func text(_ name: String) throws -> String {
        try String(contentsOfFile: folder.path + "/" + name, encoding: .utf8)
    }

    private var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
    }

    @Test(arguments: [0, 1, 65_535, 65_536, 200_000])
    func whatIsWrittenIsThere(count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let file = try OutputFile(path("a"))
        try file.append(bytes.prefix(count / 3))
        try bytes[(count / 3)...].withUnsafeBytes { try file.append($0) }
        #expect(try names == [".a.trimllava.tmp"])
        try file.finish()
        #expect(FileManager.default.contents(atPath: path("a").text) == Data(bytes))
        #expect(try names == ["a"])
    }

    @Test func whatIsAbandonedLeavesWhatWasThere() throws {
        try folder.write(Array("old".utf8), to: "a")
        for name in ["a", "b"] {
            let file = try OutputFile(path(name))
            try file.append(Array("new".utf8))
        }
        #expect(try text("a") == "old")
        #expect(try names == ["a"])
    }

    @Test func modeOwnerAndLinksStay() throws {
        try folder.write(Array("old".utf8), to: "a")
        #expect(chmod(path("a").text, 0o640) == 0)
        let mayGiveAway = geteuid() == 0
        if mayGiveAway { #expect(chown(path("a").text, 1234, 2345) == 0) }
        symlink("a", path("link").text)
        symlink("link", path("second").text)
        try OutputFile.write(Array("new".utf8), to: path("second"))
        #expect(try text("a") == "new")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path("link").text) == "a")
        let attributes = try FileManager.default.attributesOfItem(atPath: path("a").text)
        #expect(attributes[.posixPermissions] as? Int == 0o640)
        if mayGiveAway {
            #expect(attributes[.ownerAccountID] as? Int == 1234)
            #expect(attributes[.groupOwnerAccountID] as? Int == 2345)
        }
    }

    @Test func aNewFileHasTheModeThatTheProcessAsksFor() throws {
        let other = folder.path + "/other"
        close(open(other, O_CREAT | O_WRONLY, 0o666))
        try OutputFile.write([1], to: path("a"))
        let modes = try [other, path("a").text].map {
            try FileManager.default.attributesOfItem(atPath: $0)[.posixPermissions] as? Int
        }
        #expect(modes[0] == modes[1])
    }

    @Test func aLinkToNothingMakesWhatItLeadsTo() throws {
        symlink("sub/target", path("link").text)
        symlink("circle", path("circle").text)
        try OutputFile.write([0x61], to: path("link"), makesFolders: true)
        #expect(try text("sub/target") == "a")
        #expect(throws: FileOutputError.self) { try OutputFile.write([1], to: path("circle")) }
    }

    @Test func aReadOnlyFileIsNotReplaced() throws {
        try folder.write([1], to: "a")
        chmod(path("a").text, 0o444)
        guard geteuid() != 0 else { return }
        #expect(throws: FileOutputError(path("a"), EACCES)) {
            try OutputFile.write([2], to: path("a"))
        }
    }

    @Test func devicesAndPipesAreWrittenThrough() throws {
        try OutputFile.write([1], to: FilePath("/dev/null"))
        #expect(FileStatus(FilePath("/dev/null"))?.isDevice == true)
        mkfifo(path("pipe").text, 0o600)
        let reader = open(path("pipe").text, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        try OutputFile.write(Array("through".utf8), to: path("pipe"))
        var bytes = [UInt8](repeating: 0, count: 100)
        #expect(read(reader, &bytes, bytes.count) == 7)
        #expect(try names == ["pipe"])
    }

    #if os(Linux)
        @Test func aFullDiskIsAnError() {
            #expect(throws: FileOutputError(FilePath("/dev/full"), ENOSPC)) {
                try OutputFile.write([1], to: FilePath("/dev/full"))
            }
        }
    #endif

    @Test func whatCannotBeWrittenIsAnErrorWithItsReason() throws {
        try folder.write([], to: "file")
        let long = String(repeating: "n", count: 256)
        for (name, code) in [
            ("absent/a", ENOENT), ("file/a", ENOTDIR), ("", ENOENT), ("a/", ENOENT),
            (long, ENAMETOOLONG), (".", EISDIR),
        ] {
            let path = name.isEmpty ? FilePath("") : path(name)
            #expect(throws: FileOutputError(path, code), "\(name)") {
                try OutputFile.write([1], to: path)
            }
        }
        #expect(throws: FileOutputError.self) {
            try OutputFile.write([1], to: path("file/b/a"), makesFolders: true)
        }
        #expect(throws: FileOutputError(path("absent/a"), ENOENT)) {
            try OutputFolder.check(path("absent/a"))
        }
        #expect(throws: FileOutputError(path("."), EISDIR)) { try OutputFolder.check(path(".")) }
        try OutputFolder.check(path("new/folder/a"), makesFolders: true)
        #expect(try names == ["file", "new"])
    }

    /// Names of multi-byte characters at the file system's limit.
    @Test func longNamesAreWritten() throws {
        let name = String(repeating: "é", count: 127)
        let file = try OutputFile(path(name))
        #expect(try names.allSatisfy { $0.utf8.count < 255 && $0.hasPrefix(".ééé") })
        try file.finish()
        #expect(try names == [name])
    }

    @Test func writersOfOneFileDoNotMeet() throws {
        let files = try (0..<3).map { _ in try OutputFile(path("a")) }
        for (index, file) in files.enumerated() { try file.append(Array("\(index)".utf8)) }
        #expect(try names.count == 3)
        for file in files { try file.finish() }
        #expect(try text("a") == "2")
        #expect(try names == ["a"])
    }

    @Test func whatAKilledWriterLeftIsDeleted() throws {
        let left = [".a.trimllava.tmp", ".a.trimllava-1.tmp", ".a.trimllava-2.tmp"]
        for name in left { try folder.write([9, 9, 9], to: name) }
        try OutputFile.write([0x62], to: path("a"))
        #expect(try text("a") == "b")
        #expect(try names == ["a"])
    }

    @Test func aFileThatIsKeptOpenIsLocked() throws {
        let file = try OutputFile(path("a"))
        try file.append(Array("a\n".utf8))
        #expect(file.isReplacement)
        let descriptor = try file.finishAndKeepOpen()
        #expect(throws: LockedOutput.Failure.inUse) { try LockedOutput.opened(path("a")) }
        closeUnlocked(descriptor)
        closeUnlocked(try LockedOutput.opened(path("a")))
        #expect(try text("a") == "a\n")
    }
}
