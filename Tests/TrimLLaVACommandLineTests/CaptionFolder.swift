// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// A folder of pictures, a model, and what captioning them wrote.
struct CaptionFolder {
    let folder: TemporaryFolder
    /// Tiny, with packed matrices, as published models have.
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
    /// Where records go.
    var records: String { folder.path + "/captions.jsonl" }

    /// What a line of records says, as any reader of JSON finds it.
    struct Line {
        let name: String
        let text: String?
        let error: String?
        let size: Int?
        let prompt: String?
    }

    /// The records, all of whose lines must be whole.
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

    /// The beginning of a command line that captions pictures.
    var caption: [String] { model.caption + Self.template }

    /// What is asked of a vocabulary that does not tell.
    private static let template = ["--template", "vicuna"]

    /// The text that the model answers about one picture alone.
    func answer(_ index: Int, _ options: [String]) throws -> String? {
        let path = pictures + "/" + Self.name(index)
        let outcome = try ToolProcess.run(model.run + Self.template + [path, "--json"] + options)
        #expect(outcome.code == 0, "\(outcome.errors)")
        return try RunJSON(outcome).text
    }

    /// The texts that the model answers about the pictures that there are, each alone.
    func answers(_ options: [String]) throws -> [String?] {
        try (0..<5).map { try answer($0, options) }
    }

    /// Expects exactly one caption of every picture, each with the same text as its like in `texts`.
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
