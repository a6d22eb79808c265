// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import DemoModel
import ModelStore
import TrimLLaVA

/// `trimllava doctor`: what a report of a problem should say about the machine, and whether the kernels compute
/// right on it.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Describes the program and this machine, and tests the kernels on it.",
        discussion: """
            Paste its output into a report of a problem. It names the models on this machine. The exit \
            code is 1 if a test fails.
            """)

    @Flag(help: "Also test the reference kernels, which are plain loops: this takes a minute.")
    var reference = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let (machine, processor) = (MachineReport(), try ProcessorReport())
        let models = FoundModels()
        if !json {
            try writeOutput(
                [machine.text, processor.text, models.text, ""].joined(separator: "\n"))
        }
        let progress = ProgressLine(quiet: json)
        defer { progress.erase() }
        let tables = processor.availableKernels.filter {
            reference || $0 != "reference" || processor.availableKernels.count == 1
        }
        let results = tables.map { table in
            progress.show("testing the kernels \(table)")
            return SelfTest.run(on: DemoModel.files, kernels: table)
        }
        progress.erase()
        if json {
            try writeOutput(
                jsonOutput(
                    Report(
                        machine: machine, processor: processor.fields, models: models.list,
                        modelsFailure: models.failure, selfTest: results)))
        } else {
            try writeOutput(SelfTest.text(results))
        }
        if results.contains(where: { $0.failure != nil }) { throw ExitCode(1) }
    }

    private struct Report: Encodable {
        let machine: MachineReport
        let processor: ProcessorReport.Fields
        let models: [ListedModel]
        let modelsFailure: String?
        let selfTest: [SelfTest.Result]
    }
}

/// The models in the stores.
private struct FoundModels {
    let list: [ListedModel]
    /// Why the stores cannot be read, such as an environment that names none; nil if they can.
    let failure: String?

    init() {
        do {
            (list, failure) = (try ModelStore().models().map(ListedModel.init), nil)
        } catch {
            (list, failure) = ([], errorLine(error))
        }
    }

    /// A line for each model, for a terminal.
    var text: String {
        if let failure { return "models  unknown: \(failure)\n" }
        guard !list.isEmpty else { return "models  none in the stores\n" }
        return tableText(
            list.map { model in
                [
                    "model", escapingControls(model.name, keepingLines: false), model.quant ?? "-",
                    byteCountText(model.bytes), model.hasProjector ? "with mmproj" : "text alone",
                ]
            })
    }
}

/// A model in one of the stores.
private struct ListedModel: Encodable {
    let name: String
    let quant: String?
    let bytes: Int
    let hasProjector: Bool

    init(_ stored: StoredModel) {
        (name, quant, bytes) = (stored.files.name, stored.quantisation, stored.size)
        hasProjector = stored.files.projector != nil
    }
}
