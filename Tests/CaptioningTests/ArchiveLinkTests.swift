// SPDX-License-Identifier: Apache-2.0
import CArchive
import FileOutput
import Foundation
import TestSupport
import Testing

@testable import Captioning

/// Archives with other members than plain files, and archives that change between listing and reading.
@Suite struct ArchiveLinkTests {
    private let folder: TemporaryFolder
    private let archive: FilePath

    init() throws {
        folder = try TemporaryFolder()
        archive = FilePath(folder.path + "/s.tar")
    }

    /// A member whose name is written unchanged, where `tar` would refuse it.
    private enum Member {
        case file(String, String, time: Int = 1)
        case hardLink(String, to: String)
        case link(String, to: String)
        case pipe(String)
        case folder(String)
    }

    private func type(_ mode: mode_t) -> UInt32 { UInt32(mode) }

    private func write(_ members: [Member]) throws {
        let writer = archive_write_new()
        archive_write_set_format_gnutar(writer)
        try #require(archive.withCString { archive_write_open_filename(writer, $0) } == ARCHIVE_OK)
        for member in members {
            let entry = archive_entry_new()
            var contents: [UInt8] = []
            archive_entry_set_perm(entry, 0o644)
            archive_entry_set_filetype(entry, type(S_IFREG))
            archive_entry_set_mtime(entry, 1, 0)
            switch member {
            case .file(let name, let text, let time):
                archive_entry_copy_pathname(entry, name)
                contents = Array(text.utf8)
                archive_entry_set_mtime(entry, time, 0)
            case .hardLink(let name, let target):
                archive_entry_copy_pathname(entry, name)
                archive_entry_copy_hardlink(entry, target)
            case .link(let name, let target):
                archive_entry_copy_pathname(entry, name)
                archive_entry_set_filetype(entry, type(S_IFLNK))
                archive_entry_copy_symlink(entry, target)
            case .pipe(let name):
                archive_entry_copy_pathname(entry, name)
                archive_entry_set_filetype(entry, type(S_IFIFO))
            case .folder(let name):
                archive_entry_copy_pathname(entry, name)
                archive_entry_set_filetype(entry, type(S_IFDIR))
            }
            archive_entry_set_size(entry, Int64(contents.count))
            try #require(archive_write_header(writer, entry) == ARCHIVE_OK)
            archive_write_data(writer, contents, contents.count)
            archive_entry_free(entry)
        }
        archive_write_free(writer)
    }

    private func listed() -> PictureInputs {
        var inputs = PictureInputs(isRecursive: false)
        inputs.add(archive)
        return inputs
    }

    private func name(_ path: FilePath) -> String {
        String(decoding: path.bytes.dropFirst(archive.bytes.count + 1), as: UTF8.self)
    }

    /// The content of each picture, or why it cannot be read.
    private func contents(_ pictures: [PictureReference]) -> [String] {
        let source = PictureFiles()
        return pictures.map { picture in
            do {
                return try String(decoding: source.read(picture).bytes, as: UTF8.self)
            } catch {
                return (error as? LoadFailure)?.reason ?? "\(error)"
            }
        }
    }

    @Test func linksAreFollowed() throws {
        try write([
            .link("early.jpg", to: "x/../x/a.jpg"), .folder("x.jpg"), .file("x/a.jpg", "A"),
            .hardLink("hard.jpg", to: "x/a.jpg"), .file("b.png", "B"),
            .link("x/soft.jpg", to: "../hard.jpg"), .link("x/b.jpg", to: "./b2.dat"),
            .file("x/b2.dat", "B2"), .link("notes.txt", to: "gone"), .link("dir", to: "x"),
        ])
        let inputs = listed()
        #expect(inputs.failures == [])
        #expect(
            inputs.pictures.map { name($0.path) } == [
                "early.jpg", "x/a.jpg", "hard.jpg", "x/soft.jpg", "b.png", "x/b.jpg",
            ])
        #expect(contents(inputs.pictures) == ["A", "A", "A", "A", "B", "B2"])
        #expect(contents(inputs.pictures.reversed()) == ["B2", "B", "A", "A", "A", "A"])
    }

    @Test func linksThatLeadNowhereAreFailures() throws {
        try write([
            .file("a.jpg", "A"), .link("gone.jpg", to: "none.jpg"),
            .link("out.jpg", to: "../a.jpg"),
            .link("root.jpg", to: "/a.jpg"), .link("1.jpg", to: "2.jpg"),
            .link("2.jpg", to: "1.jpg"),
            .hardLink("h.jpg", to: "none"), .pipe("p.jpg"), .folder("x"), .link("f.jpg", to: "x"),
        ])
        let inputs = listed()
        #expect(inputs.pictures.map { name($0.path) } == ["a.jpg"])
        func link(_ target: String) -> String {
            "is a link to \(target), which the archive does not have"
        }
        let reasons = Dictionary(
            uniqueKeysWithValues: inputs.failures.map { (name($0.path), $0.reason) })
        #expect(
            reasons == [
                "gone.jpg": link("none.jpg"), "out.jpg": link("../a.jpg"),
                "root.jpg": link("/a.jpg"),
                "1.jpg": "is a link that leads to itself",
                "2.jpg": "is a link that leads to itself",
                "h.jpg": link("none"), "p.jpg": "is neither a file nor a link to one",
                "f.jpg": "is a link to a folder",
            ])
    }

    @Test func namesThatLeadOutAreFailures() throws {
        let names = ["../../esc.png", "/tmp/esc.png", "x/../../esc.png", "x/../y.png"]
        try write(names.map { .file($0, "A") } + [.file("./a..b/c...png", "B")])
        let inputs = listed()
        #expect(inputs.pictures.map { name($0.path) } == ["./a..b/c...png"])
        #expect(inputs.failures.map { name($0.path) }.count == names.count)
        #expect(Set(inputs.failures.map(\.reason)) == ["its name leads out of the archive"])
    }

    @Test func anArchiveThatWasReplacedGivesNoPictures() throws {
        let members: [Member] = [.file("a.jpg", "A1"), .file("b.jpg", "B1"), .file("c.jpg", "C1")]
        try write(members)
        let pictures = listed().pictures
        #expect(contents(pictures) == ["A1", "B1", "C1"])
        func replaced(_ member: Int) -> String {
            "\(archive.text): was replaced: member \(member) is not the one that was listed"
        }
        // Another order, another size, another time.
        for (others, expected): ([Member], [String]) in [
            ([members[1], members[0], members[2]], [replaced(1), replaced(2), "C1"]),
            ([members[0], .file("b.jpg", "B22"), members[2]], ["A1", replaced(2), "C1"]),
            ([.file("a.jpg", "A2", time: 2), members[1], members[2]], [replaced(1), "B1", "C1"]),
            (
                [members[0]],
                [
                    "A1", "\(archive.text): was replaced: it no longer has a member 2",
                    "\(archive.text): was replaced: it no longer has a member 3",
                ]
            ),
        ] {
            unlink(archive.text)
            try write(others)
            #expect(contents(pictures) == expected)
        }
    }

    @Test func archivesWithoutPicturesAreFailures() throws {
        try write([.file("a.txt", "A")])
        #expect(listed().failures.map(\.reason) == ["has no pictures"])
    }

    @Test func linksComeBackInShards() throws {
        try write([.file("a.jpg", "A"), .link("x/l.png", to: "../a.jpg")])
        let job = RecordIdentity(model: "m", prompts: ["one"], settings: [])
        var table = CaptionTable(job)
        for picture in listed().pictures {
            var record = CaptionRecord(picture.path)
            record.text = "of \(name(picture.path))"
            record.describe(job, prompt: 0)
            table.add(record)
        }
        let out = FilePath(folder.path + "/out")
        let export = ShardExport(
            to: out, of: job, records: FilePath(folder.path + "/r.jsonl"), part: nil)
        let missing = try export.write(listed().pictures, table)
        #expect(missing.isEmpty)
        let reader = try ArchiveReader(out.appending("s.tar".utf8))
        var found: [String: String] = [:]
        while let member = try reader.next() {
            found[FilePath(member.name).text] = String(
                decoding: try reader.contents(limit: 10000), as: UTF8.self)
        }
        #expect(found["a.jpg"] == "A" && found["x/l.png"] == "A")
        #expect(found["a.txt"] == "of a.jpg\n" && found["x/l.txt"] == "of x/l.png\n")
    }
}
