// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing
import TrimLLaVA

@testable import DemoModel
@testable import TrimLLaVACommandLine

/// `trimllava doctor`.
@Suite struct DoctorTests {
    @Test func everyTableOfTheProcessorPasses() throws {
        let outcome = try ToolProcess.run(["doctor", "--json"], timeout: 300)
        #expect(outcome.code == 0, "\(outcome.errors)")
        let json = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        let results = try #require(json["self_test"] as? [[String: Any]])
        let tested = results.compactMap { $0["kernels"] as? String }
        #expect(tested + ["reference"] == (try ProcessorReport()).availableKernels)
        #expect(results.allSatisfy { $0["failure"] == nil })
        let machine = try #require(json["machine"] as? [String: Any])
        #expect(machine["has_demo_model"] as? Bool == true)
        let memory = try #require(machine["memory_bytes"] as? Int)
        #expect(memory == Int(ProcessInfo.processInfo.physicalMemory))
    }

    @Test func printsTheMachineAndTheTests() throws {
        let outcome = try ToolProcess.run(["doctor"], timeout: 300)
        #expect(outcome.code == 0, "\(outcome.errors)")
        for text in ["trimllava", Release.version, "processor", "huge pages", "kernels"] {
            #expect(outcome.text.contains(text), "\(text)")
        }
        #expect(outcome.text.contains("passed in") && !outcome.text.contains("FAILED"))
    }

    /// What is wrong elsewhere does not end the report.
    @Test func storesThatCannotBeReadAreTold() throws {
        let environment = ["HF_ENDPOINT": "ftp://nowhere"]
        let outcome = try ToolProcess.run(["doctor"], environment: environment, timeout: 300)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.text.contains("models  unknown: the environment's HF_ENDPOINT is"))
        #expect(outcome.text.contains("passed in"))
    }

    /// A model of random weights answers something else.
    @Test func anotherAnswerFails() throws {
        let files = DemoModel.Files(
            text: ModelFiles.llama3.text, projector: ModelFiles.llama3.projector)
        let result = SelfTest.run(on: files, kernels: try ProcessorReport().kernels)
        let failure = try #require(result.failure)
        #expect(failure.hasPrefix("from all visual tokens the model answered"), "\(failure)")
        #expect(SelfTest.text([result]).contains("FAILED: from all"))
    }

    @Test func aMissingModelOrTableFails() throws {
        let kernels = try ProcessorReport().kernels
        #expect(SelfTest.run(on: nil, kernels: kernels).failure?.contains("not beside") == true)
        let unknown = SelfTest.run(on: DemoModel.files, kernels: "z80")
        #expect(unknown.failure != nil)
    }
}
