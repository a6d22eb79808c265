// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// Describes a picture as the words come, or captions the pictures of a folder, eight at a time.
@main
struct CaptionFolder {
    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.count == 3, let place = arguments.last else {
            complain("usage: CaptionFolder TEXT-MODEL MMPROJ PICTURE-OR-FOLDER")
            exit(2)
        }
        do {
            let llava = try LLaVA(text: arguments[1], projector: arguments[2])
            let pictures = try pictures(in: place)
            if let pictures {
                await caption(pictures, llava)
            } else {
                try await describe(place, llava)
            }
        } catch {
            complain("\(error)")
            exit(1)
        }
    }

    /// Prints an answer piece by piece, and then what it took.
    static func describe(_ path: String, _ llava: LLaVA) async throws {
        let stream = llava.describe(.file(path))
        for try await piece in stream {
            print(piece, terminator: "")
            fflush(stdout)
        }
        let statistics = try await stream.answer().statistics
        print("\n\(statistics.generatedTokens) tokens in \(statistics.decodeSeconds) s")
    }

    /// Prints a caption of each picture as soon as it is there; a picture that fails does not end the others.
    static func caption(_ paths: [String], _ llava: LLaVA) async {
        await withTaskGroup(of: Void.self) { group in
            for (index, path) in paths.enumerated() {
                // Eight are asked about at the same time, as many as `LoadOptions` lets be answered.
                if index >= 8 { await group.next() }
                group.addTask {
                    do throws(LLaVAError) {
                        let options = GenerationOptions(
                            maxNewTokens: 64, pruning: PruningOptions(budget: .automatic))
                        let stream = llava.describe(.file(path), options: options)
                        print("\(path): \(try await stream.answer().text)")
                    } catch {
                        complain("\(path): \(error.kind): \(error)")
                    }
                }
            }
        }
    }

    /// The files of a folder; nil where the path is none.
    static func pictures(in path: String) throws -> [String]? {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder),
            isFolder.boolValue
        else { return nil }
        return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
            .map { "\(path)/\($0)" }
    }

    static func complain(_ line: String) {
        try? FileHandle.standardError.write(contentsOf: Data("\(line)\n".utf8))
    }
}
