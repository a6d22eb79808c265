// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Captioning
import FileOutput

/// Runs a check of what a command reads and writes; a conflict is wrong usage.
func checkingFiles<Result>(_ body: (inout FileClaims) throws -> Result) throws -> Result {
    var files = FileClaims()
    do {
        return try body(&files)
    } catch let conflict as FileConflict {
        throw ValidationError("\(conflict)")
    }
}

/// Refuses the name of an output that promises another kind of picture.
///
/// - Parameters:
///   - expected: the extension of what is written, without a dot.
///   - option: what names the output.
func checkExtension(of path: String, is expected: String, _ option: String) throws {
    let found = FilePath(path).fileExtension
    let pictures = PictureReference.extensions.union(["svg", "pdf", "eps"])
    guard pictures.contains(found), found != expected else { return }
    throw ValidationError(
        "\(option) \(path): what is written is \(expected.uppercased()); expected a name that ends in "
            + ".\(expected)")
}

extension FileClaims {
    /// The command reads the files of a model.
    mutating func reads(_ model: ModelOptions) throws(FileConflict) {
        if !model.model.isEmpty { try reads(FilePath(model.model), as: "--model") }
        if !model.mmproj.isEmpty { try reads(FilePath(model.mmproj), as: "--mmproj") }
    }

    /// The command reads pictures.
    mutating func reads(pictures: [String]) throws(FileConflict) {
        for picture in pictures { try reads(FilePath(picture)) }
    }

    /// The command writes a file when its work is done: a path that cannot be written is found out before.
    mutating func writesAtEnd(_ path: String, as option: String) throws {
        try writes(FilePath(path), as: option)
        try OutputFolder.check(FilePath(path))
    }
}
