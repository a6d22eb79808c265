// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FileOutput
import Foundation
import Serving

/// Who may use a server, and for what.
struct ServeAccessOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "File with the keys that clients must show, one per line.", valueName: "file"),
        completion: .file())
    var apiKeyFile: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Origins whose pages may make requests, such as https://example.org; * for all.",
            valueName: "origin"))
    var cors: [String] = []

    @Option(
        help: ArgumentHelp(
            "Folder that file:// addresses of pictures may lead to. (default: none)",
            valueName: "folder"),
        completion: .directory)
    var mediaPath: String?

    func validate() throws {
        for origin in cors where origin != "*" {
            let parts = origin.components(separatedBy: "://")
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].contains("/") else {
                throw ValidationError(
                    "--cors \(origin): expected an origin such as https://example.org, without a path"
                )
            }
        }
    }

    /// The keys in the file; none without one.
    ///
    /// - Throws: `ServingError` for a file that cannot be read, or has no key.
    func keys() throws(ServingError) -> [String] {
        guard let apiKeyFile else { return [] }
        let text: String
        do {
            text = try String(contentsOfFile: apiKeyFile, encoding: .utf8)
        } catch {
            throw .keys(file: apiKeyFile, reason: "cannot be read as UTF-8 text")
        }
        let keys = text.split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty && !$0.hasPrefix("#") }
        guard !keys.isEmpty else {
            throw .keys(file: apiKeyFile, reason: "there is no key in it, expected one per line")
        }
        return keys
    }

    /// The folder for media without symbolic links; nil without one.
    func mediaFolder() throws -> String? {
        guard let mediaPath else { return nil }
        guard let resolved = realpath(mediaPath, nil) else {
            throw ValidationError("--media-path \(mediaPath): \(systemReason())")
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
