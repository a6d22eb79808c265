// SPDX-License-Identifier: Apache-2.0

/// Why a user's text cannot be read.
public enum UserTextError: Error, Equatable {
    /// The file cannot be opened or read.
    case unreadable(path: String, reason: String)
    /// The bytes are not UTF-8; `place` is a file, a line or an argument.
    case notUTF8(place: String, offset: Int)
    /// The byte order mark announces UTF-16, and the bytes are invalid.
    case notUTF16(place: String, offset: Int)
    /// The text has an encoding that is not supported.
    case otherEncoding(place: String, name: String)
    /// The text is longer than the limit.
    case tooLong(place: String, limit: Int)
}

extension UserTextError: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): \(reason)"
        case .notUTF8(let place, let offset): "\(place) is not valid UTF-8 at byte \(offset)"
        case .notUTF16(let place, let offset): "\(place) is not valid UTF-16 at byte \(offset)"
        case .otherEncoding(let place, let name): "\(place) is \(name), expected UTF-8"
        case .tooLong(let place, let limit):
            "\(place) is longer than the limit of \(limit) bytes"
        }
    }
}
