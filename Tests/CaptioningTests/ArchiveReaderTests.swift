// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TestSupport
import Testing

@testable import Captioning

/// Archives made by the system's tar.
@Suite struct ArchiveReaderTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func tar(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["tar", "-C", folder.path] + arguments
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    @Test(
        arguments: [("s.tar", "-cf"), ("s.tar.gz", "-czf"), ("s.tgz", "-czf")],
        ["ustar", "pax", "gnu"])
    func membersAndTheirBytes(file: (String, String), format: String) throws {
        let long = String(repeating: "l", count: 90) + "/" + String(repeating: "m", count: 80)
        try FileManager.default.createDirectory(
            atPath: folder.path + "/" + long, withIntermediateDirectories: true)
        let names = ["1.jpg", "1.txt", "é\n.png", "\(long)/2.jpg", "3.jpg"]
        for name in names { try folder.write(Array(name.utf8), to: name) }
        let archive = folder.path + "/" + file.0
        try tar(["--format", format, file.1, archive] + names)
        let reader = try ArchiveReader(FilePath(archive))
        for (position, name) in names.enumerated() {
            let member = try #require(try reader.next())
            #expect(member.name == Array(name.utf8))
            #expect(member.position == position && member.isFile)
            #expect(member.version.size == name.utf8.count)
            let modified = FileStatus(FilePath(folder.path + "/" + name))?.version.modified ?? 0
            #expect(member.version.modified / 1_000_000_000 == modified / 1_000_000_000)
            if position != 1 { #expect(try reader.contents(limit: 1000) == Array(name.utf8)) }
        }
        #expect(try reader.next() == nil)

        var inputs = PictureInputs(isRecursive: false)
        inputs.add(FilePath(archive))
        #expect(inputs.pictures.map(\.path.text) == [0, 2, 3, 4].map { archive + "/" + names[$0] })
    }

    /// An archive is recognised by its content unless it has the name of a picture.
    @Test(
        arguments: [
            ("archive", "-cf"), ("shard.bin", "-czf"), ("s.tbz2", "-cjf"), ("s.txz", "-cJf"),
            ("s.tar.bz2", "-cjf"), ("000.gz", "-czf"),
        ])
    func archivesAreKnownByContent(name: String, options: String) throws {
        try folder.write(Array("picture".utf8), to: "1.jpg")
        let path = folder.path + "/" + name
        try tar([options, path, "1.jpg"])
        var inputs = PictureInputs(isRecursive: false)
        inputs.add(FilePath(path))
        #expect(inputs.pictures.map(\.path.text) == [path + "/1.jpg"])
    }

    @Test(arguments: ["notes", "notes.txt", "picture", "a.gz"])
    func otherFilesAreNoArchives(name: String) throws {
        for bytes in [[], Array("text".utf8), [UInt8](repeating: 0, count: 2000)] {
            let path = FilePath(try folder.write(bytes, to: name))
            #expect(!ArchiveReader.isArchive(path))
        }
    }

    @Test func namesThatAreNoText() throws {
        let name: [UInt8] = [0xFF, 0xC3, 0x28, 0x2E, 0x6A, 0x70, 0x67]
        let path = FilePath(folder.path).appending(name)
        close(path.withCString { open($0, O_CREAT | O_WRONLY, 0o644) })
        try tar(["-cf", folder.path + "/s.tar", "--exclude", "s.tar", "."])
        var inputs = PictureInputs(isRecursive: false)
        inputs.add(FilePath(folder.path + "/s.tar"))
        #expect(inputs.failures == [])
        #expect(inputs.pictures.map { Array($0.path.name) } == [name])
    }

    @Test func damagedArchivesAreFailures() throws {
        try folder.write(Array("picture".utf8), to: "1.jpg")
        try tar(["-cf", folder.path + "/s.tar", "1.jpg"])
        let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder.path + "/s.tar")))
        for bytes in [Array(whole.prefix(300)), Array(repeating: 7, count: 2000)] {
            let path = try folder.write(bytes, to: "broken.tar")
            var inputs = PictureInputs(isRecursive: false)
            inputs.add(FilePath(path))
            #expect(inputs.pictures.isEmpty && inputs.failures.count == 1)
        }
        // Cut within a member: its header is complete, its content is missing.
        let path = try folder.write(Array(whole.prefix(514)), to: "cut.tar")
        let reader = try ArchiveReader(FilePath(path))
        #expect(try reader.next() != nil)
        #expect(throws: ArchiveReader.Failure.self) { try reader.contents(limit: 100) }
    }
}
