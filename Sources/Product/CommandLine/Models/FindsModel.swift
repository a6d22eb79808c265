// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ModelStore
import Tokenization

/// A command that takes a model's name in place of its file.
protocol FindsModel: ParsableCommand {
    /// Puts the paths of the files in the place of a name; downloads those that are missing.
    mutating func findModel() throws
}

/// A command that runs a model.
protocol RunsModel: FindsModel {
    var model: ModelOptions { get set }
    var quiet: Bool { get }
    /// What it needs of a model that is given by name.
    var neededParts: PullParts { get }
}

extension RunsModel {
    var quiet: Bool { false }
    var neededParts: PullParts { .pair }

    mutating func findModel() throws { try model.findFiles(neededParts, quiet: quiet) }
}

extension BenchCommand: RunsModel {}
extension CaptionCommand: RunsModel {}
extension EvalCommand: RunsModel {}
extension PruneMapCommand: RunsModel {}
extension PerplexityCommand: RunsModel {
    var neededParts: PullParts { .text }
}
extension RunCommand: RunsModel {
    var neededParts: PullParts { pictures.isEmpty ? .available : .pair }
}
extension ServeCommand: RunsModel {
    var neededParts: PullParts { .available }
}

extension InspectCommand: FindsModel {
    mutating func findModel() throws {
        let findsProjector = memory.memory && memory.mmproj == nil
        let parts: PullParts =
            findsProjector ? memory.keep == nil ? .available : .pair : .text
        guard let given = path, let files = try store.files(of: given, parts, quiet: false) else {
            return
        }
        path = files.text
        if findsProjector { memory.mmproj = files.projector }
    }
}

extension TokenizeCommand: FindsModel {
    mutating func findModel() throws {
        guard let files = try store.files(of: model, .text, quiet: false) else { return }
        model = files.text
    }
}

/// The files that a name stood for, kept beside the options that the user gave.
struct FoundModel: Decodable {
    let name: String
    let text: String
    let projector: String?
    private let templateName: String?

    /// The prompt template that the table names for it.
    var template: ChatTemplate? { templateName.flatMap { ChatTemplate(rawValue: $0) } }

    init(_ files: ModelFiles) {
        (name, text, projector) = (files.name, files.text, files.projector)
        templateName = files.template?.rawValue
    }
}
