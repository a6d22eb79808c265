// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// A folder of pictures, a model, and the outputs of captioning them.
struct CaptionFolder {
    let folder: TemporaryFolder
    /// A tiny model with packed matrices, as in published models.
    let model: ModelFiles

    /// Copies of the golden models' pictures, `00.png` and so on.
    init(pictures count: Int) throws {
        folder = try TemporaryFolder()
        var tiny = TinyModel(textFormat: .q8_0, projectorFormat: .q8_0)
        tiny.contextLength = 4096
        model = ModelFiles(
            text: try folder.write(tiny.text().image().bytes, to: "text.gguf"),
            projector: try folder.write(tiny.projector().image().bytes, to: "mmproj.gguf"))
        try FileManager.default.createDirectory(
            atPath: pictures, withIntermediateDirectories: false)
        let names = ["small", "wide", "square", "portrait", "landscape"]
        for index in 0..<count {
            let bytes = try Data(
                contentsOf: URL(fileURLWithPath: picturePath(names[index % names.count])))
            try folder.write([UInt8](bytes), to: "pictures/" + Self.name(index))
        }
    }

    static func name(_ index: Int) -> String { (index < 10 ? "0" : "") + "\(index).png" }

    /// The folder of the pictures.
    var pictures: String { folder.path + "/pictures" }
    /// The record file.
    var records: String { folder.path + "/captions.jsonl" }

    /// A record, as any JSON reader sees it.
    struct Line {
        let name: String
        let text: String?
        let error: String?
        let size: Int?
        let prompt: String?
    }

    /// The records; all lines must be complete.
    func lines(_ path: String? = nil) throws -> [Line] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path ?? records))
        return try Self.lines([UInt8](data))
    }

    static func lines(_ bytes: [UInt8]) throws -> [Line] {
        #expect(bytes.isEmpty || bytes.last == UInt8(ascii: "\n"))
        return try bytes.split(separator: UInt8(ascii: "\n")).map { line in
            let value = try #require(
                try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
            let path = try #require(value["file_name"] as? String)
            return Line(
                name: URL(fileURLWithPath: path).lastPathComponent,
                text: value["text"] as? String, error: value["error"] as? String,
                size: value["file_size"] as? Int, prompt: value["prompt"] as? String)
        }
    }

    /// The first arguments of a `caption` command.
    var caption: [String] { model.caption + Self.template }

    /// The template, which the model's vocabulary does not determine.
    private static let template = ["--template", "vicuna"]

    /// The model's answer about one picture alone.
    func answer(_ index: Int, _ options: [String]) throws -> String? {
        let path = pictures + "/" + Self.name(index)
        let outcome = try ToolProcess.run(model.run + Self.template + [path, "--json"] + options)
        #expect(outcome.code == 0, "\(outcome.errors)")
        return try RunJSON(outcome).text
    }

    /// The model's answers about the pictures, each alone.
    func answers(_ options: [String]) throws -> [String?] {
        try (0..<5).map { try answer($0, options) }
    }

    /// Expects exactly one caption of every picture, with the texts of `texts`.
    func expectOneCaptionEach(_ count: Int, texts: [String?]? = nil) throws {
        let lines = try lines()
        #expect(lines.count == count)
        #expect(Set(lines.map(\.name)) == Set((0..<count).map(Self.name)))
        #expect(lines.allSatisfy { $0.error == nil })
        guard let texts else { return }
        for line in lines {
            let index = Int(line.name.prefix(2)) ?? -1
            #expect(line.text == texts[index % texts.count], "\(line.name)")
        }
    }
}
