// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ModelStore
import TrimLLaVA

/// `trimllava pull`: downloads models.
struct PullCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull",
        abstract: "Downloads models: the text model and its mmproj.",
        discussion: """
            A name is one that "trimllava models --known" lists, such as llava-1.5-7b, or hf:OWNER/REPO for a \
            repository on huggingface.co; :QUANT may follow. A download that was interrupted continues. All commands \
            take the same names for --model. Printed are the paths of the files.
            """)

    @Argument(help: ArgumentHelp("Models.", valueName: "name"))
    var names: [String]

    @OptionGroup var store: StoreOptions

    @Flag(help: "Print a JSON object for each model.")
    var json = false

    @Flag(name: [.short, .long], help: "Print no progress.")
    var quiet = false

    func run() throws {
        let store = try store.store()
        let names = try self.names.map { given in
            guard let name = try self.store.name(given) else {
                throw ValidationError("\(given) is a file, expected a model's name")
            }
            return name
        }
        let failures = try names.count { name in
            let files: ModelFiles
            do {
                files = try pull(name, from: store)
            } catch {
                StandardError.report("\(name): \(errorLine(error))")
                return true
            }
            try writeOutput(text(of: files))
            return false
        }
        if failures > 0 { throw ExitCode.failure }
    }

    private func pull(_ name: ModelName, from store: ModelStore) throws -> ModelFiles {
        let report = PullReport(quiet: quiet)
        defer { report.finish() }
        return try waiting {
            try await store.pull(name, .available, updates: true) { report.show($0) }
        }
    }

    private func text(of files: ModelFiles) throws -> String {
        if json { return try jsonOutput(PulledModel(files)) }
        return ([files.text] + (files.projector.map { [$0] } ?? [])).map { "\($0)\n" }.joined()
    }
}

/// A line of `pull --json`.
private struct PulledModel: Encodable {
    let name: String
    let model: String
    let mmproj: String?

    init(_ files: ModelFiles) {
        (name, model, mmproj) = (files.name, files.text, files.projector)
    }
}
