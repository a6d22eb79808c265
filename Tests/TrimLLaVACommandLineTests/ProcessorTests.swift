// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing
import TrimLLaVA

/// `inspect --cpu`.
@Suite struct ProcessorTests {
    @Test func tellsWhatIsChosenAndWhy() throws {
        let outcome = try ToolProcess.run(["inspect", "--cpu", "--json"])
        #expect(outcome.code == 0)
        let json = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        let available = try #require(json["available_kernels"] as? [String])
        #expect(json["kernels"] as? String == available.first && available.last == "reference")
        #expect(json["requested_kernels"] == nil)
        #expect(json["trimllava_version"] as? String == Release.version)
        let (threads, cores) = (json["threads"] as? Int, json["physical_cores"] as? Int)
        #expect(try #require(threads) >= 1 && threads.unsafelyUnwrapped <= (try #require(cores)))
        #if os(Linux) && arch(x86_64)
            // The kernel's list is independent.
            let cpuinfo = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
            let line = try #require(cpuinfo.split(separator: "\n").first { $0.hasPrefix("flags") })
            let flags = Set(line.split(separator: " ").map { String($0).replacing("_", with: "") })
            for (name, isPresent) in try #require(json["features"] as? [String: Bool]) {
                #expect(flags.contains(name) == isPresent, "\(name)")
            }
        #endif
    }

    @Test func theEnvironmentChooses() throws {
        let outcome = try ToolProcess.run(
            ["inspect", "--cpu"], environment: ["TRIMLLAVA_KERNELS": "reference"])
        #expect(outcome.code == 0 && outcome.text.contains("chosen by TRIMLLAVA_KERNELS"))
        let unknown = try ToolProcess.run(
            ["inspect", "--cpu"], environment: ["TRIMLLAVA_KERNELS": "z80"])
        #expect(unknown.code == 1 && unknown.errors.contains("no kernels z80"))
        let empty = try ToolProcess.run(
            ["inspect", "--cpu"], environment: ["TRIMLLAVA_KERNELS": ""])
        #expect(empty.code == 0 && empty.text.contains("the fastest available"))
    }

    @Test func takesEitherAFileOrTheProcessor() throws {
        #expect(try ToolProcess.run(["inspect"]).code == 2)
        #expect(try ToolProcess.run(["inspect", "--cpu", ModelFiles.llama3.text]).code == 2)
    }
}
