// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import FileOutput

@Suite struct ResumableFileTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func path(_ name: String) -> FilePath { FilePath("\(folder.path)/\(name)") }

    private func add(_ text: String, to file: ResumableFile) throws {
        try Array(text.utf8).withUnsafeBytes { try file.append($0) }
    }

    private func content(_ file: ResumableFile) throws -> String {
        var bytes: [UInt8] = []
        try file.read { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func continuesWhereItEnded() throws {
        let place = path("new/a.incomplete")
        let first = try ResumableFile(place, makesFolders: true)
        #expect(first.count == 0)
        try add("begin", to: first)
        // Nobody closed it, as when a process is killed.
        let second = try ResumableFile(place)
        #expect(second.count == 5)
        try add(" end", to: second)
        #expect(try content(second) == "begin end")
        try second.finish(as: path("new/a"))
        #expect(try String(contentsOfFile: path("new/a").text, encoding: .utf8) == "begin end")
        #expect(FileStatus(place) == nil)
    }

    @Test func canBeginAgain() throws {
        let file = try ResumableFile(path("a.incomplete"))
        try add("wrong", to: file)
        try file.clear()
        try add("right", to: file)
        #expect(file.count == 5)
        #expect(try content(file) == "right")
        file.remove()
        #expect(FileStatus(path("a.incomplete")) == nil)
    }

    @Test func refusesWhatIsNoFile() throws {
        #expect(throws: FileOutputError.self) { try ResumableFile(FilePath(folder.path)) }
        #expect(throws: FileOutputError.self) { try ResumableFile(FilePath("/dev/null")) }
        #expect(throws: FileOutputError.self) { try ResumableFile(path("absent/a")) }
    }

    @Test func linksAreReplacedAndFilesAreNot() throws {
        try folder.write([1], to: "target")
        let link = path("deep/link")
        try OutputLink.make(link, to: FilePath("../absent"), makesFolders: true)
        #expect(FileStatus(link) == nil)
        try OutputLink.make(link, to: FilePath("../target"))
        #expect(FileStatus(link)?.version.size == 1)
        #expect(throws: FileOutputError(path("target"), EEXIST)) {
            try OutputLink.make(path("target"), to: FilePath("x"))
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path + "/deep") == ["link"])
    }

    @Test func spaceIsThatOfTheNearestFolder() throws {
        let here = try #require(FreeSpace.bytes(at: FilePath(folder.path)))
        #expect(here > 0)
        #expect(FreeSpace.bytes(at: path("absent/deeper")) != nil)
        #expect(FreeSpace.bytes(at: FilePath("absent/relative")) != nil)
    }
}
