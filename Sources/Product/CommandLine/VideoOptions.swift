// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FileOutput
import Foundation

/// The video that a question is about.
struct VideoOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            """
            A video, as files of its frames in their order; of a folder, all pictures by name. For LLaVA-OneVision; other \
            models take frames as pictures. "ffmpeg -i VIDEO -vf fps=1 FOLDER/%04d.png" writes a frame for each second.
            """, valueName: "file"),
        completion: .file())
    var frames: [String] = []

    func validate() throws {
        if frames.contains("-") {
            throw ValidationError("--frames takes files and folders, not standard input")
        }
    }

    /// The files of all frames, those of folders by name.
    ///
    /// - Throws: `ValidationError` for a folder without pictures that can be read.
    func files() throws -> [String] {
        try frames.flatMap { path in
            FileStatus(FilePath(path))?.kind == .folder ? try Self.pictures(in: path) : [path]
        }
    }

    private static func pictures(in folder: String) throws -> [String] {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw ValidationError("--frames: \(folder) cannot be read")
        }
        let pictures = names.filter { name in
            !name.hasPrefix(".")
                && ["jpg", "jpeg", "png", "webp"].contains(
                    URL(fileURLWithPath: name).pathExtension.lowercased())
        }
        guard !pictures.isEmpty else {
            throw ValidationError("--frames: \(folder) has no JPEG, PNG or WebP files")
        }
        return pictures.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            .map { "\(folder)/\($0)" }
    }
}
