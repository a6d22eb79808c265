// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Captioning
import FileOutput
import TrimLLaVA

/// Runs a check of a command's inputs and outputs.
///
/// A conflict is wrong usage.
func checkingFiles<Result>(_ body: (inout FileClaims) throws -> Result) throws -> Result {
    var files = FileClaims()
    do {
        return try body(&files)
    } catch let conflict as FileConflict {
        throw ValidationError("\(conflict)")
    }
}

/// Refuses an output whose extension is that of another kind of picture.
///
/// - Parameters:
///   - expected: the extension for the written format, without a dot.
///   - option: the option that names the output.
func checkExtension(of path: String, is expected: String, _ option: String) throws {
    let found = FilePath(path).fileExtension
    let pictures = PictureReference.extensions.union(["svg", "pdf", "eps"])
    guard pictures.contains(found), found != expected else { return }
    throw ValidationError(
        "\(option) \(path): the output is \(expected.uppercased()), expected a name that ends in "
            + ".\(expected)")
}

extension FileClaims {
    /// Claims the files of a model as inputs, its calibration included unless that is left out.
    mutating func reads(
        _ model: ModelOptions, calibration isRead: Bool = true
    ) throws(FileConflict) {
        if !model.model.isEmpty {
            try reads(FilePath(model.model), as: "--model")
            let calibration = FilePath(Calibration.path(beside: model.model))
            if isRead, FileStatus(calibration) != nil { try reads(calibration) }
        }
        if let mmproj = model.mmproj { try reads(FilePath(mmproj), as: "--mmproj") }
    }

    /// Claims pictures as inputs.
    mutating func reads(pictures: [String]) throws(FileConflict) {
        for picture in pictures { try reads(FilePath(picture)) }
    }

    /// Claims an output that is written at the end, and checks before the work that its path can be written.
    mutating func writesAtEnd(_ path: String, as option: String) throws {
        try writes(FilePath(path), as: option)
        try OutputFolder.check(FilePath(path))
    }
}
