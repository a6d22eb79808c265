// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ModelStore
import TrimLLaVA

/// `trimllava models`: lists models.
struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "Lists the models on this machine: downloaded ones and those of ollama.",
        discussion: "The names can be given for --model.")

    @Flag(help: "List the models with a short name instead, and what their downloads take.")
    var known = false

    @OptionGroup var folder: StoreFolderOption

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        if known { return try list(KnownModel.all.flatMap(KnownRow.rows), as: KnownRow.columns) }
        let store = try folder.store()
        let rows = store.models().map { StoredRow($0) }
        if rows.isEmpty, !json {
            return StandardError.report(
                "no models in \(store.cacheFolder) and none of ollama; \"trimllava pull \(KnownModel.all[0].name)\" "
                    + "downloads one")
        }
        try list(rows, as: StoredRow.columns)
    }

    private func list<Row: ModelRow>(_ rows: [Row], as columns: [String]) throws {
        guard !json else { return try writeOutput(jsonOutput(["models": rows])) }
        let cells = rows.map { row in row.cells.map { escapingControls($0, keepingLines: false) } }
        try writeOutput(tableText([columns] + cells, rightAligned: [2]))
    }
}

/// A line of a list of models.
private protocol ModelRow: Encodable {
    var cells: [String] { get }
}

/// A model on this machine.
private struct StoredRow: ModelRow {
    static let columns = ["name", "quant", "size", "mmproj", "path"]

    let name: String
    let quant: String?
    let bytes: Int
    let model: String
    let mmproj: String?

    init(_ stored: StoredModel) {
        (name, quant, bytes) = (stored.files.name, stored.quantisation, stored.size)
        (model, mmproj) = (stored.files.text, stored.files.projector)
    }

    var cells: [String] {
        [name, quant ?? "-", byteCountText(bytes), mmproj == nil ? "no" : "yes", model]
    }
}

/// A file that a short name stands for.
private struct KnownRow: ModelRow {
    static let columns = ["name", "quant", "GB", "template", "repository"]

    let name: String
    let quant: String
    let gigabytes: Double
    let template: String
    let repository: String
    let file: String
    let mmproj: String

    static func rows(_ model: KnownModel) -> [KnownRow] {
        model.files.map { file in
            KnownRow(
                name: "\(model.name):\(file.quantisation)", quant: file.quantisation,
                gigabytes: file.gigabytes, template: model.template.rawValue,
                repository: "\(model.repository)", file: file.path, mmproj: model.projector)
        }
    }

    var cells: [String] { [name, quant, "\(gigabytes)", template, repository] }
}
