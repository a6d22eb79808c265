// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import Imaging
import TrimLLaVA

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A picture that a question is about.
public enum EvaluationPicture: Sendable, Hashable {
    /// A file, by its path.
    case file(String)
    /// Base64 in a file with other content, such as a cell of a table.
    case embedded(EmbeddedPicture)

    /// The path of the picture's own file; nil for an embedded picture.
    public var path: String? {
        guard case .file(let path) = self else { return nil }
        return path
    }

    /// Decodes the picture.
    ///
    /// - Throws: `ImagingError`, with its place in it.
    func decoded(_ transparency: Transparency) throws(ImagingError) -> Picture {
        switch self {
        case .file(let path):
            try PictureDecoder.load(path: path, transparency: transparency)
        case .embedded(let picture):
            try PictureDecoder.decode(
                picture.contents(), name: picture.name, transparency: transparency)
        }
    }
}

/// A picture in base64 inside another file, which stays there until it is needed.
public struct EmbeddedPicture: Sendable, Hashable {
    /// The file.
    let path: String
    /// The line where the picture's row begins, for messages.
    let line: Int
    /// Where its base64 stands, in bytes.
    let range: Range<Int>

    /// Its name in messages.
    var name: String { "\(path), line \(line)" }

    /// The bytes of the picture's file.
    fileprivate func contents() throws(ImagingError) -> [UInt8] {
        let file = uninterrupted { open(path, O_RDONLY | O_CLOEXEC) }
        guard file >= 0 else { throw .unreadable(name: name, reason: systemReason()) }
        defer { close(file) }
        guard let text = readAll(range.count, at: range.lowerBound, of: file) else {
            throw .unreadable(name: name, reason: systemReason())
        }
        guard let bytes = Data(base64Encoded: Data(text)) else {
            throw .damaged(name: name, format: "base64", reason: "it has other characters")
        }
        return [UInt8](bytes)
    }
}
