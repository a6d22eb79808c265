// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TrimLLaVA

/// The record of a picture and a prompt: the caption and its cost, or why there is none.
///
/// A file has one record per line, as JSON with keys in snake case (`docs/output.md`).
public struct CaptionRecord: Codable, Sendable, Equatable {
    /// The version of the schema; nil in records that predate it.
    public var schemaVersion: Int?
    /// The version of the program that made the record.
    public var trimllavaVersion: String?

    /// The picture's path, with replacement characters where it is not UTF-8.
    public var fileName: String
    /// The bytes of a path that is not UTF-8, in base64.
    public var fileNameBase64: String?
    /// The caption.
    public var text: String?
    /// Why there is no caption.
    public var error: String?

    /// The question.
    public var prompt: String?
    /// The question's SHA-256 in hexadecimal digits.
    public var promptSha256: String?
    /// The name of the text model's file.
    public var model: String?
    /// A hash of all other settings that the caption depends on.
    public var settings: String?
    /// Bytes of the picture's file when it was read.
    public var fileSize: Int?
    /// When that file was last changed, in nanoseconds since 1970.
    public var fileModifiedNs: Int?

    /// Pixels per row.
    public var width: Int?
    /// Rows of pixels.
    public var height: Int?
    /// Pixels per row that the model saw of a picture with more pixels than it may have; nil for any other picture.
    public var seenWidth: Int?
    /// Rows of pixels that it saw of such a picture.
    public var seenHeight: Int?
    /// Visual tokens before pruning.
    public var visualTokens: Int?
    /// Visual tokens that entered the decoder.
    public var keptTokens: Int?
    /// Rows of the prompt, kept visual tokens included.
    public var promptTokens: Int?
    /// Tokens of the caption.
    public var generatedTokens: Int?
    /// Why the caption ended.
    public var stopReason: String?

    /// Seconds to read and decode the picture and cut it into tiles.
    public var pictureSeconds: Double?
    /// Seconds in vision tower and projector.
    public var visionSeconds: Double?
    /// Seconds to select visual tokens.
    public var selectSeconds: Double?
    /// Seconds from then to the first token, during which other captions also progressed.
    public var prefillSeconds: Double?
    /// Seconds from the first token to the last, during which other captions also progressed.
    public var decodeSeconds: Double?

    /// A record of a picture, to be completed.
    init(_ path: FilePath) {
        schemaVersion = OutputSchema.version
        trimllavaVersion = Release.version
        fileName = path.text
        if !path.isText { fileNameBase64 = Data(path.bytes).base64EncodedString() }
    }

    /// A record of a failure.
    init(_ path: FilePath, error: String) {
        self.init(path)
        self.error = error
    }

    /// The picture's path.
    public var path: FilePath {
        fileNameBase64.flatMap { Data(base64Encoded: $0) }.map { FilePath($0) }
            ?? FilePath(fileName)
    }

    /// The version of the file that was read; nil if none was.
    var version: FileVersion? {
        guard let fileSize, let fileModifiedNs else { return nil }
        return FileVersion(size: fileSize, modified: fileModifiedNs)
    }

    /// The record as a line with its end.
    func line() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        guard let data = try? encoder.encode(self) else {
            preconditionFailure("a record holds texts and finite numbers")
        }
        return Array(data) + [UInt8(ascii: "\n")]
    }

    /// Reads a line.
    init(line: some Sequence<UInt8>) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let line = Data(line)
        self = try decoder.decode(Self.self, from: line)
        if schemaVersion == nil { take(try decoder.decode(EarlierTimes.self, from: line)) }
        guard text != nil || error != nil else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(
                    codingPath: [], debugDescription: "has neither text nor error"))
        }
    }

    /// The times of records without a `schema_version`, in milliseconds.
    private struct EarlierTimes: Decodable {
        let loadMs: Double?
        let visionMs: Double?
        let selectMs: Double?
        let prefillMs: Double?
        let decodeMs: Double?
    }

    /// Converts an earlier record to schema 1.
    ///
    /// The version of the program that made it stays unknown.
    private mutating func take(_ times: EarlierTimes) {
        pictureSeconds = times.loadMs.map { OutputSchema.seconds($0 / 1000) }
        visionSeconds = times.visionMs.map { OutputSchema.seconds($0 / 1000) }
        selectSeconds = times.selectMs.map { OutputSchema.seconds($0 / 1000) }
        prefillSeconds = times.prefillMs.map { OutputSchema.seconds($0 / 1000) }
        decodeSeconds = times.decodeMs.map { OutputSchema.seconds($0 / 1000) }
        schemaVersion = OutputSchema.version
    }
}
