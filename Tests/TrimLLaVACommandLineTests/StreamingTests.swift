// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite struct StreamingTests {
    /// A long answer, up to the model's context.
    private static let long =
        ModelFiles.vicuna.run + [
            picturePath("wide"), "--template", "vicuna", "--ignore-eos", "-n", "100000",
        ]
    private static let short = long + ["-n", "200"]

    @Test func piecesArriveBeforeTheEndAndInterruptKeepsThem() throws {
        let tool = try ToolProcess(Self.long)
        try tool.waitForOutput { !$0.isEmpty }
        tool.interrupt()
        let outcome = try tool.finish()
        #expect(outcome.code == 130)
        #expect(outcome.text.hasSuffix("\n"))
        #expect(outcome.errors.contains("ended by cancelled"))
    }

    @Test func interruptedJSONSaysSo() throws {
        let folder = try TemporaryFolder()
        let tool = try ToolProcess(
            Self.long + ["--json", "--dump", folder.path, "--temperature", "1"])
        try tool.waitForInterruptHandler()
        tool.interrupt()
        let outcome = try tool.finish()
        #expect(outcome.code == 130)
        let report = try RunJSON(outcome)
        #expect(report.stopReason == "cancelled")
        let generated = try NPYArray(path: folder.path + "/generated.npy")
        #expect(generated.shape == [report.generatedTokens])
    }

    @Test func piecesAreWholeCharactersAndMakeTheText() throws {
        let tool = try ToolProcess(Self.short)
        let outcome = try tool.finish()
        let report = try RunJSON(try ToolProcess.run(Self.short + ["--json"]))
        #expect(outcome.code == 0)
        #expect(outcome.text == report.text + "\n")
        #expect(report.text.unicodeScalars.contains { !$0.isASCII })
        // Each write is one piece, and reads end where writes do.
        for chunk in tool.outputChunks {
            #expect(String(validating: chunk, as: UTF8.self) != nil)
        }
    }

    @Test func answerAndTimingsGoToTheirOwnStreams() throws {
        let outcome = try ToolProcess.run(Self.short)
        #expect(outcome.errors.hasPrefix("\nload  "))
        #expect(outcome.errors.contains("200 tokens"))
        #expect(outcome.errors.hasSuffix(" bytes\n") || outcome.errors.hasSuffix("iB\n"))
        #expect(!outcome.errors.contains("\r"), "progress belongs on terminals only")
        #expect(try ToolProcess.run(Self.short + ["--quiet"]).errors == "")
        let merged = try ToolProcess.shell(#""$@" 2>&1"#, Self.short)
        #expect(merged.text.hasPrefix(outcome.text + "\nload  "))
    }

    @Test func aFullDiskIsAnErrorAtOnce() throws {
        for more in [[], ["--json"], ["--interactive", "-p", "Hello"]] {
            let arguments = more.contains("--json") ? Self.short : Self.long
            let outcome = try ToolProcess.shell(#""$@" > /dev/full"#, arguments + more)
            #expect(outcome.code == 1)
            #expect(
                outcome.errors == "trimllava: cannot write the output: No space left on device\n")
        }
    }

    @Test func aReaderThatLeavesEndsTheRunQuietly() throws {
        let script = #"trap - PIPE; { "$@"; echo "$?" >&2; } | head -c 1"#
        let outcome = try ToolProcess.shell(script, Self.long + ["-q"])
        #expect(outcome.errors == "141\n")
        #expect(outcome.output.count == 1)
    }

    @Test func aReaderThatLeavesIsAnErrorWhereTheSignalIsIgnored() throws {
        let script = #"trap '' PIPE; { "$@"; echo "$?" >&2; } | head -c 1"#
        let outcome = try ToolProcess.shell(script, Self.long + ["-q"])
        #expect(outcome.errors == "trimllava: cannot write the output: Broken pipe\n1\n")
    }
}
