// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TestSupport
import Testing
import UserText

@testable import Captioning

@Suite struct PictureInputsTests {
    private let folder: TemporaryFolder
    private let root: FilePath

    init() throws {
        folder = try TemporaryFolder()
        root = FilePath(folder.path)
    }

    /// Creates an empty file and its folders.
    @discardableResult
    private func make(_ name: [UInt8]) -> FilePath {
        let path = root.appending(name)
        var folder = root
        for step in name.split(separator: UInt8(ascii: "/")).dropLast() {
            folder = folder.appending(step)
            _ = folder.withCString { mkdir($0, 0o755) }
        }
        close(path.withCString { open($0, O_CREAT | O_WRONLY, 0o644) })
        return path
    }

    private func make(_ name: String) { make(Array(name.utf8)) }

    private func link(_ name: String, to target: String) {
        symlink(target, folder.path + "/" + name)
    }

    /// The names relative to the root.
    private func names(_ inputs: PictureInputs) -> [String] {
        inputs.pictures.map { picture in
            String(
                decoding: picture.path.bytes.dropFirst(root.bytes.count + 1), as: UTF8.self)
        }
    }

    private func found(recursive: Bool = true, shard: Shard? = nil) -> PictureInputs {
        var inputs = PictureInputs(isRecursive: recursive, shard: shard)
        inputs.add(root)
        return inputs
    }

    @Test func foldersGiveTheirPicturesInTheOrderOfBytes() {
        for name in [
            "b.jpg", "a.PNG", "B.webp", "notes.txt", ".hidden.jpg", "x/d.jpeg", "x/y/c.jpg",
        ] {
            make(name)
        }
        #expect(names(found(recursive: false)) == ["B.webp", "a.PNG", "b.jpg"])
        #expect(names(found()) == ["B.webp", "a.PNG", "b.jpg", "x/d.jpeg", "x/y/c.jpg"])
        #expect(found().failures.isEmpty)
    }

    @Test func namesAreBytes() {
        let hostile: [[UInt8]] = [
            [0xFF, 0xFE] + Array(".jpg".utf8), Array("line\nend.jpg".utf8),
            Array("tab\tquote\" ,;'$(rm).jpg".utf8), Array("-rf.jpg".utf8),
            Array("*.jpg".utf8), Array("%s%n.jpg".utf8), Array("é🎈.jpg".utf8),
            Array("e\u{301}.jpg".utf8), Array(" .jpg".utf8),
            Array(String(repeating: "n", count: 251).utf8) + Array(".jpg".utf8),
            Array("\\.jpg".utf8), [0xC3, 0x28] + Array(".jpg".utf8),
        ]
        let paths = hostile.map { make($0) }
        #expect(Set(found().pictures.map(\.path)) == Set(paths))
        for path in paths {
            var inputs = PictureInputs(isRecursive: false)
            inputs.add(path)
            #expect(inputs.pictures.map(\.path) == [path])
            #expect(CaptionRecord(path).path == path)
            let line = CaptionRecord(path, error: "no").line()
            #expect((try? CaptionRecord(line: line))?.path == path)
            #expect(line.count(where: { $0 == UInt8(ascii: "\n") }) == 1)
        }
    }

    @Test func linksThatLeadBackEnd() {
        make("a/b/c.jpg")
        make("d.jpg")
        link("a/b/up", to: "../..")
        link("a/self", to: ".")
        link("loop.jpg", to: "loop.jpg")
        let inputs = found()
        #expect(names(inputs) == ["d.jpg", "loop.jpg", "a/b/c.jpg"])
        var named = PictureInputs(isRecursive: false)
        named.add(root.appending(Array("loop.jpg".utf8)))
        #expect(named.pictures.isEmpty && named.failures.count == 1)
    }

    @Test func aPictureIsTakenOnce() {
        make("a/b.jpg")
        link("twin", to: "a")
        link("a/other.jpg", to: "b.jpg")
        var inputs = PictureInputs(isRecursive: false)
        for name in ["a", "a/b.jpg", "a//b.jpg", "a/../a/./b.jpg", "twin/b.jpg", "twin"] {
            inputs.add(root.appending(Array(name.utf8)))
        }
        // Another name in the same folder is another picture.
        #expect(names(inputs) == ["a/b.jpg", "a/other.jpg"])
        #expect(inputs.duplicateCount == 6)
    }

    @Test func patternsAreForWhatHasNoSuchName() {
        for name in ["a1.jpg", "a2.jpg", "b1.jpg", "a[1].jpg"] { make(name) }
        func matches(_ pattern: String) -> PictureInputs {
            var inputs = PictureInputs(isRecursive: false)
            inputs.add(root.appending(Array(pattern.utf8)))
            return inputs
        }
        #expect(names(matches("a?.jpg")) == ["a1.jpg", "a2.jpg"])
        #expect(names(matches("{b,a}1.jpg")) == ["b1.jpg", "a1.jpg"])
        #expect(names(matches("a[1].jpg")) == ["a[1].jpg"])
        #expect(matches("z*.jpg").failures.map(\.reason) == ["No such file or directory"])
    }

    @Test func whatIsNoPictureIsAFailure() {
        mkfifo(folder.path + "/pipe", 0o644)
        var inputs = PictureInputs(isRecursive: false)
        for name in ["absent.jpg", "absent.jpg", "pipe"] {
            inputs.add(root.appending(Array(name.utf8)))
        }
        #expect(
            inputs.failures.map(\.reason) == [
                "No such file or directory", "is neither a file nor a folder",
            ])
        #expect(inputs.duplicateCount == 1)
    }

    @Test(.enabled(if: geteuid() != 0, "root may read every folder"))
    func unreadableFoldersAreFailuresAndTheOthersAreRead() {
        make("closed/a.jpg")
        make("open/b.jpg")
        chmod(folder.path + "/closed", 0)
        defer { chmod(folder.path + "/closed", 0o755) }
        #expect(names(found()) == ["open/b.jpg"])
        #expect(found().failures.map(\.reason) == ["Permission denied"])
    }

    @Test func shardsAreDisjointStableAndComplete() throws {
        for index in 0..<200 { make("\(index).jpg") }
        let all = Set(found().pictures.map(\.path))
        let shards = try (1...7).map { try #require(Shard(parsing: "\($0)/7") as Shard?) }
        let parts = shards.map { Set(found(shard: $0).pictures.map(\.path)) }
        #expect(parts.reduce(0) { $0 + $1.count } == all.count)
        #expect(parts.reduce(into: Set()) { $0.formUnion($1) } == all)
        // All parts are near their share of 29.
        #expect(parts.allSatisfy { (10...60).contains($0.count) })
        unlink(folder.path + "/0.jpg")
        let gone = root.appending(Array("0.jpg".utf8))
        for (shard, part) in zip(shards, parts) {
            #expect(Set(found(shard: shard).pictures.map(\.path)) == part.subtracting([gone]))
        }
    }

    @Test(arguments: ["", "1", "0/3", "4/3", "1/0", "a/b", "1/2/3", "-1/3", "1/"])
    func otherShardsAreRefused(text: String) { #expect(Shard(parsing: text) == nil) }

    @Test func listsHaveLinesOrNULs() throws {
        #expect(
            try FileList.paths(in: Array("\u{FEFF}a b\r\n\nc\n".utf8)) == [
                FilePath("a b"), FilePath("c"),
            ])
        #expect(
            try FileList.paths(in: Array("a\nb\0c\r\0".utf8)) == [
                FilePath("a\nb"), FilePath("c\r"),
            ])
        #expect(try FileList.paths(in: []) == [])
        #expect(try FileList.paths(in: [0xFF, 10]) == [FilePath([0xFF])])
        #expect(
            throws: CaptioningError.text(.tooLong(place: "/dev/zero", limit: UserText.listLimit))
        ) { try FileList.paths(in: FilePath("/dev/zero")) }
    }

    @Test func whereThereAreNoPicturesIsAFailure() throws {
        make("sub/a.jpg")
        make("empty/notes.txt")
        func reasons(_ name: String, recursive: Bool) -> [String] {
            var inputs = PictureInputs(isRecursive: recursive)
            inputs.add(root.appending(Array(name.utf8)))
            return inputs.failures.map(\.reason)
        }
        #expect(
            reasons("", recursive: false) == [
                "has no pictures itself, and its subfolders were not searched"
            ])
        #expect(reasons("", recursive: true) == [])
        #expect(reasons("empty", recursive: false) == ["has no pictures"])
        #expect(reasons("empty", recursive: true) == ["has no pictures"])
        var inputs = PictureInputs(isRecursive: true)
        for name in ["sub", "sub", "sub/a.jpg"] { inputs.add(root.appending(Array(name.utf8))) }
        #expect(inputs.failures == [])
        inputs.addEmptyList(FilePath("-"))
        #expect(inputs.failures.map(\.description) == ["standard input: names no pictures"])
    }

    /// The other parts have no pictures, which is not a failure.
    @Test func aFolderWithoutPicturesIsAFailureOfOnePart() throws {
        make("b.jpg")
        let parts = (1...5).map { found(shard: Shard(parsing: "\($0)/5")) }
        #expect(parts.allSatisfy { $0.failures.isEmpty })
        unlink(folder.path + "/b.jpg")
        let failures = (1...5).flatMap { found(shard: Shard(parsing: "\($0)/5")).failures }
        #expect(failures.map(\.path) == [root])
    }

    @Test func pathsThatAreTooLongAreFailures() throws {
        let step = String(repeating: "d", count: 200)
        var folders = [open(folder.path, O_RDONLY | O_DIRECTORY)]
        for _ in 0..<(Int(PATH_MAX) / 200 + 1) {
            mkdirat(folders[folders.count - 1], step, 0o755)
            folders.append(openat(folders[folders.count - 1], step, O_RDONLY | O_DIRECTORY))
        }
        let last = try #require(folders.last)
        try #require(last >= 0)
        close(openat(last, "a.jpg", O_CREAT | O_WRONLY, 0o644))
        defer {
            // No path can name the file, so only `unlinkat` can remove it.
            unlinkat(last, "a.jpg", 0)
            for (parent, child) in zip(folders, folders.dropFirst()).reversed() {
                close(child)
                unlinkat(parent, step, AT_REMOVEDIR)
            }
            close(folders[0])
        }
        make("b.jpg")
        let inputs = found()
        #expect(names(inputs) == ["b.jpg"])
        #expect(inputs.failures.map(\.reason) == ["File name too long"])
        #expect(inputs.failures.allSatisfy { $0.path.bytes.count >= Int(PATH_MAX) })
    }

    @Test func pathsHaveParts() {
        #expect(FilePath("a/b.tar.gz").withoutExtension == FilePath("a/b.tar"))
        #expect(FilePath("a/b.JPG").fileExtension == "jpg")
        #expect(FilePath("a.b/c").fileExtension == "")
        #expect(FilePath("a/.jpg").fileExtension == "")
        #expect(FilePath("a/.jpg").withoutExtension == FilePath("a/.jpg"))
        #expect(FilePath("/a").folder == FilePath("/"))
        #expect(FilePath("a").folder == FilePath("."))
        #expect(FilePath("a/b/").appending("c".utf8) == FilePath("a/b/c"))
    }
}
