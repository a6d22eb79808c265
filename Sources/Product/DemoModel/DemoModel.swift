// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The small model of drawn scenes that comes with the program; its README says what it can do.
public enum DemoModel {
    /// The pair of files, as `LLaVA` takes them.
    public struct Files: Sendable, Equatable {
        /// Path of the text model.
        public let text: String
        /// Path of the vision tower and projector.
        public let projector: String
    }

    /// Where the files are; nil when they do not lie beside the program.
    ///
    /// `Bundle.module` would end the program where they are missing.
    public static let files: Files? = {
        guard let program = Bundle.main.executableURL?.resolvingSymlinksInPath() else { return nil }
        let folder = program.deletingLastPathComponent()
        return ["resources", "bundle"].lazy.compactMap { files(in: folder, kind: $0) }.first
    }()

    /// The files in the folder that the package manager makes of this module's resources.
    private static func files(in folder: URL, kind: String) -> Files? {
        let resources = folder.appendingPathComponent("TrimLLaVA_DemoModel.\(kind)/Resources")
        let found = Files(
            text: resources.appendingPathComponent("scenes-q8_0.gguf").path,
            projector: resources.appendingPathComponent("scenes-mmproj-f16.gguf").path)
        let isThere = [found.text, found.projector].allSatisfy(FileManager.default.fileExists)
        return isThere ? found : nil
    }
}
