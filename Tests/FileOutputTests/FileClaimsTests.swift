// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import FileOutput

@Suite struct FileClaimsTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.write([1], to: "a")
        link(folder.path + "/a", folder.path + "/hard")
        symlink("a", folder.path + "/soft")
        symlink("new", folder.path + "/dangling")
        symlink(".", folder.path + "/same")
    }

    private func path(_ name: String) -> FilePath { FilePath(folder.path + "/" + name) }

    @Test(arguments: ["a", "./a", "hard", "soft", "same/a"])
    func anOutputThatIsAnInputIsFound(name: String) throws {
        var files = FileClaims()
        try files.reads(path("a"), as: "--filelist")
        let conflict = #expect(throws: FileConflict.self) {
            try files.writes(path(name), as: "--csv")
        }
        #expect(
            conflict?.description
                == "--csv \(path(name).text) would overwrite --filelist \(path("a").text), which the "
                + "command reads")
        var others = FileClaims()
        try others.writes(path(name), as: "--csv")
        #expect(others.mayOverwrite)
        #expect(throws: FileConflict.self) { try others.reads(path("a")) }
    }

    @Test(arguments: [
        ("a", "soft"), ("new", "./new"), ("new", "dangling"), ("new", "same/new"),
        ("absent/x", "absent/x"),
    ])
    func oneFileForTwoOutputsIsFound(first: String, second: String) throws {
        var files = FileClaims()
        try files.writes(path(first), as: "-o")
        #expect(
            throws: FileConflict.sameOutput(
                FileClaims.Claim(option: "--csv", path: path(second), isOutput: true),
                FileClaims.Claim(option: "-o", path: path(first), isOutput: true))
        ) { try files.writes(path(second), as: "--csv") }
        #expect(throws: FileConflict.self) { try files.check(writing: path(second), as: "x") }
    }

    @Test func differentFilesAndDevicesAreNoConflict() throws {
        var files = FileClaims()
        try files.reads(path("a"))
        try files.reads(path("hard"))
        try files.reads(.standardStream, as: "--prompt-file")
        try files.writes(path("new"), as: "-o")
        try files.writes(path("new2"), as: "--csv")
        #expect(!files.mayOverwrite)
        for option in ["--csv", "--summary"] { try files.writes(FilePath("/dev/null"), as: option) }
    }

    @Test func standardOutputIsOneOutput() throws {
        var files = FileClaims()
        try files.writes(.standardStream)
        let conflict = #expect(throws: FileConflict.self) {
            try files.writes(.standardStream, as: "--csv")
        }
        #expect(
            conflict?.description
                == "--csv - and standard output are the same file; each output needs its own")
    }
}
