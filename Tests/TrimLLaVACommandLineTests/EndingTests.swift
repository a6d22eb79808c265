// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import GGUF
import Testing
import TrimLLaVA

@testable import TrimLLaVACommandLine

@Suite struct EndingTests {
    @Test func helpIsNoError() {
        let ending = ending(of: ["--help"])
        #expect(ending?.code == 0)
        #expect(ending?.message?.contains("SUBCOMMANDS") == true)
    }

    @Test func theVersionIsNoError() {
        let ending = ending(of: ["--version"])
        #expect(ending?.code == 0)
        #expect(ending?.message == Release.version)
    }

    @Test(arguments: [
        ["inspect"], ["inspect", "a", "b"], ["bogus"], ["inspect", "a", "--bogus"],
        ["inspect", "a", "--array-limit=-1"], ["inspect", "a", "--array-limit", "x"],
    ])
    func wrongUsageIsTwo(arguments: [String]) {
        let ending = ending(of: arguments)
        #expect(ending?.code == 2)
        #expect(ending?.message?.hasPrefix("trimllava: ") == true)
        #expect(ending?.message?.contains("Usage: trimllava") == true)
    }

    @Test func failuresAreOne() {
        let ending = ending(of: ["inspect", "/absent\u{1B}.gguf"])
        #expect(ending?.code == 1)
        #expect(
            ending?.message
                == #"trimllava: /absent\u{1B}.gguf: cannot open the file: No such file or directory"#
        )
    }

    @Test func chosenExitCodesAreKept() {
        #expect(Ending(of: ExitCode(130)).code == 130)
        #expect(Ending(of: ExitCode(130)).message == nil)
    }

    /// How parsing and running these arguments ends; nil on success.
    private func ending(of arguments: [String]) -> Ending? {
        do {
            var command = try TrimLLaVACommand.parseAsRoot(arguments)
            try command.run()
            return nil
        } catch {
            return Ending(of: error)
        }
    }
}
