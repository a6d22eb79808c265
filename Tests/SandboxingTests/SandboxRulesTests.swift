// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TestSupport
import Testing

@testable import Sandboxing

/// Which places rules allow.
@Suite struct SandboxRulesTests {
    private func places(_ body: (inout SandboxRules) -> Void) -> [FilePath: SandboxRules.Rights] {
        var rules = SandboxRules()
        body(&rules)
        return rules.rights.filter { SandboxRules().rights[$0.key] != $0.value }
    }

    @Test func standardStreamsNeedNone() {
        let places = places { rules in
            rules.read(.standardStream)
            rules.write(.standardStream)
        }
        #expect(places.isEmpty)
    }

    @Test func outputsNeedTheFolderThatTheyLieIn() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/link", withDestinationPath: "/elsewhere/file")
        let places = places { rules in
            rules.write(FilePath("new"))
            rules.write(FilePath(folder.path + "/link"))
            rules.write(FilePath("/dev/tty"))
        }
        let all: SandboxRules.Rights = [.read, .write, .changeFolder]
        #expect(
            places == [
                FilePath("."): all, FilePath("/elsewhere"): all,
                FilePath("/dev/tty"): [.read, .write],
            ])
    }

    @Test func rightsOfOnePlaceAddUp() {
        let places = places { rules in
            rules.write(below: FilePath("/pictures"))
            rules.read(FilePath("/pictures"))
            rules.read(folderOf: FilePath("/pictures/a.png"))
            rules.write(FilePath("/dev/null"))
        }
        #expect(places[FilePath("/pictures")] == [.read, .write, .changeFolder])
        #expect(places[FilePath("/dev/null")] == [.read, .write])
        #expect(places.count == 2)
    }

    @Test func errorsSayWhatIsMissing() {
        #expect("\(SandboxError.noLandlock(code: ENOSYS))".contains("Landlock"))
        #expect("\(SandboxError.noFilter(code: EINVAL))".contains("seccomp"))
        #expect("\(SandboxError.path("/a", code: EMFILE))".contains("/a: "))
    }
}
