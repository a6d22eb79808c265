// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What a job says about a picture and a prompt: the caption and what it cost, or why there is none.
///
/// In a file each is a line of JSON, its keys in snake case.
public struct CaptionRecord: Codable, Sendable, Equatable {
    /// The picture's path, with replacement characters where it is no text.
    public var fileName: String
    /// The bytes of a path that is no text, in base64.
    public var fileNameBase64: String?
    /// The caption.
    public var text: String?
    /// Why there is none.
    public var error: String?

    /// The question.
    public var prompt: String?
    /// Its SHA-256 in hexadecimal digits.
    public var promptSha256: String?
    /// The name of the text model's file.
    public var model: String?
    /// What tells all other settings that a caption depends on from others.
    public var settings: String?
    /// Bytes of the picture's file when it was read.
    public var fileSize: Int?
    /// When that file was changed last, in nanoseconds since 1970.
    public var fileModifiedNs: Int?

    /// Pixels per row.
    public var width: Int?
    /// Rows of pixels.
    public var height: Int?
    /// Visual tokens that the picture has.
    public var visualTokens: Int?
    /// Visual tokens that entered the decoder.
    public var keptTokens: Int?
    /// Rows of the prompt, kept visual tokens included.
    public var promptTokens: Int?
    /// Tokens of the caption.
    public var generatedTokens: Int?
    /// Why the caption ends.
    public var stopReason: String?

    /// Milliseconds: the picture read, decoded and cut into tiles.
    public var loadMs: Double?
    /// Milliseconds: vision tower and projector.
    public var visionMs: Double?
    /// Milliseconds: visual tokens selected.
    public var selectMs: Double?
    /// Milliseconds from then to the first token, in which other captions went on too.
    public var prefillMs: Double?
    /// Milliseconds from the first token to the last, in which other captions went on too.
    public var decodeMs: Double?

    /// A record of a picture, to be completed.
    init(_ path: FilePath) {
        fileName = path.text
        if !path.isText { fileNameBase64 = Data(path.bytes).base64EncodedString() }
    }

    /// A record of something that failed.
    init(_ path: FilePath, error: String) {
        self.init(path)
        self.error = error
    }

    /// The picture's path.
    public var path: FilePath {
        fileNameBase64.flatMap { Data(base64Encoded: $0) }.map { FilePath($0) }
            ?? FilePath(fileName)
    }

    /// The version of the file that was read; nil where none was.
    var version: FileVersion? {
        guard let fileSize, let fileModifiedNs else { return nil }
        return FileVersion(size: fileSize, modified: fileModifiedNs)
    }

    /// The record as a line, its end included.
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
        self = try decoder.decode(Self.self, from: Data(line))
        guard text != nil || error != nil else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(
                    codingPath: [], debugDescription: "has neither text nor error"))
        }
    }
}
