// SPDX-License-Identifier: Apache-2.0

/// Why a picture could not be read or written, or a preprocessor could not be made.
public enum ImagingError: Error, Equatable {
    /// The operating system could not open or read the file.
    case unreadable(name: String, reason: String)
    /// The file has no bytes.
    case empty(name: String)
    /// The file is longer than a picture may be.
    case fileTooLong(name: String, limit: Int)
    /// The content has no known picture format.
    case unknownFormat(name: String)
    /// The content is a picture of a kind that is not supported.
    case unsupported(name: String, kind: String)
    /// The content is known and is not a picture.
    case notPicture(name: String, kind: String)
    /// The header announces more pixels than are accepted.
    case tooLarge(name: String, width: Int, height: Int)
    /// The content ends before the picture does.
    case truncated(name: String, format: String)
    /// The content breaks the rules of its format.
    case damaged(name: String, format: String, reason: String)
    /// The system has no memory for the picture or for something that is made from it.
    case noMemory(name: String, byteCount: Int)
    /// The numbers that describe the vision tower's input are out of range.
    case preprocessor(reason: String)
    /// A picture could not be encoded.
    case encoding(reason: String)
    /// The operating system could not create or write the file.
    case unwritable(name: String, reason: String)
}

extension ImagingError: CustomStringConvertible {
    /// What is wrong, where, and what was expected.
    public var description: String {
        switch self {
        case .unreadable(let name, let reason):
            "\(name): cannot be read: \(reason)"
        case .empty(let name):
            "\(name): the file is empty, expected a JPEG, PNG or WebP picture"
        case .fileTooLong(let name, let limit):
            "\(name): longer than \(limit) bytes, the limit of picture files"
        case .unknownFormat(let name):
            "\(name): not a picture that can be read, expected JPEG, PNG or WebP"
        case .unsupported(let name, let kind):
            "\(name): \(kind) is not supported, expected JPEG, PNG or WebP; convert it first"
        case .notPicture(let name, let kind):
            "\(name): is \(kind), expected a JPEG, PNG or WebP picture"
        case .noMemory(let name, let byteCount):
            "\(name): there is no memory for \(byteCount) bytes of the picture"
        case .tooLarge(let name, let width, let height):
            "\(name): the picture has \(width)×\(height) pixels, expected at most "
                + "\(PictureLimits.pixels) pixels and \(PictureLimits.side) on a side"
        case .truncated(let name, let format):
            "\(name): the \(format) data ends before the picture is complete"
        case .damaged(let name, let format, let reason):
            "\(name): damaged \(format) data: \(reason)"
        case .preprocessor(let reason):
            "picture preprocessing: \(reason)"
        case .encoding(let reason):
            "PNG encoding: \(reason)"
        case .unwritable(let name, let reason):
            "\(name): cannot be written: \(reason)"
        }
    }
}
