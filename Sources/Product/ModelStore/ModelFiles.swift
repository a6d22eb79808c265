// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Tokenization

/// Which files of a model are needed.
public enum PullParts: Sendable {
    /// The text model and its vision tower; a model without the latter is refused.
    case pair
    /// The text model alone.
    case text
    /// The text model, and its vision tower if its repository has one.
    case available
}

/// The files that a model's name stands for.
public struct ModelFiles: Sendable, Equatable {
    /// The name.
    public let name: String
    /// Path of the text model; of the first part if it is split.
    public let text: String
    /// Path of the vision tower and projector; nil if the model has none.
    public let projector: String?
    /// Where they were found: a folder, or a manifest of ollama.
    public let place: String
    /// The prompt template that the table names for the model; nil for others.
    public let template: ChatTemplate?

    init(
        name: String, text: String, projector: String?, place: String, template: ChatTemplate? = nil
    ) {
        (self.name, self.text, self.projector) = (name, text, projector)
        (self.place, self.template) = (place, template)
    }
}

/// A model that is on this machine.
public struct StoredModel: Sendable, Equatable {
    /// Its name and its files.
    public let files: ModelFiles
    /// How its weights are stored, such as `Q4_K_M`; nil if that is not said.
    public let quantisation: String?
    /// Bytes of all its files.
    public let size: Int

    /// - Parameter parts: the paths of the text model's files.
    init(_ files: ModelFiles, quantisation: String?, parts: [String]) {
        self.files = files
        self.quantisation = quantisation
        size = (parts + (files.projector.map { [$0] } ?? [])).reduce(0) {
            $0 + (FileStatus(FilePath($1))?.version.size ?? 0)
        }
    }
}
