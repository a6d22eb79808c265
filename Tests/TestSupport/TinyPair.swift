// SPDX-License-Identifier: Apache-2.0

/// The two files of a tiny model, for a test to change before it loads them.
public struct TinyPair: Sendable {
    /// The text model.
    public var text: TinyFile
    /// The vision tower and projector.
    public var projector: TinyFile

    /// The files of a model.
    public init(_ model: TinyModel = TinyModel()) {
        text = model.text()
        projector = model.projector()
    }

    /// Any two files.
    public init(text: TinyFile, projector: TinyFile) {
        self.text = text
        self.projector = projector
    }

    /// Writes `text.gguf` and `mmproj.gguf` to a temporary folder that exists while the body runs.
    public func withPaths<Result>(
        _ body: (_ text: String, _ projector: String) throws -> Result
    ) throws -> Result {
        let folder = try TemporaryFolder()
        return try withExtendedLifetime(folder) {
            try body(
                folder.write(text.image().bytes, to: "text.gguf"),
                folder.write(projector.image().bytes, to: "mmproj.gguf"))
        }
    }
}
