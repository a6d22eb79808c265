// SPDX-License-Identifier: Apache-2.0
import FileOutput
import TrimLLaVA

/// Where a picture can be found.
public struct PictureReference: Sendable, Hashable {
    /// A file, or a member of an archive.
    public enum Place: Sendable, Hashable {
        /// The file at the reference's path.
        case file
        /// The member at a position of an archive, counted from 0, provided that it still has this header.
        case member(archive: FilePath, position: Int, header: MemberHeader)
    }

    /// The picture's name: its path, or an archive's path, a slash, and the member's name.
    public let path: FilePath
    /// The path relative to the folder that the user named.
    ///
    /// For a picture that was named itself, the whole path without the root and `..` steps.
    public let relativePath: FilePath
    /// Where it is.
    public let place: Place

    /// A picture at a place.
    ///
    /// - Parameter folder: the folder that the user named, if the picture was found in one.
    public init(path: FilePath, below folder: FilePath? = nil, place: Place = .file) {
        self.path = path
        self.place = place
        let rest = folder.map { path.bytes.dropFirst($0.bytes.count) } ?? path.bytes[...]
        let steps = rest.split(separator: UInt8(ascii: "/")).filter {
            $0 != Array(".".utf8)[...] && $0 != Array("..".utf8)[...]
        }
        relativePath = steps.reduce(FilePath("")) { $0.appending($1) }
    }

    /// Its current version; nil if it cannot be found.
    var version: FileVersion? {
        switch place {
        case .file: FileStatus(path)?.version
        case .member(_, _, let header): header.version
        }
    }

    /// Its name in its archive; nil for a file.
    var memberName: FilePath? {
        guard case .member(let archive, _, _) = place else { return nil }
        return FilePath(path.bytes.dropFirst(archive.bytes.count + 1))
    }

    /// The extensions that mark pictures in folders and archives.
    ///
    /// They include formats that are not supported, so that such files are reported.
    public static let extensions: Set<String> = [
        "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif",
        "avif", "jxl",
    ]
}

/// The header of an archive's member, which identifies it when the archive is read again.
public struct MemberHeader: Hashable, Sendable {
    /// The name as it is stored.
    let name: [UInt8]
    let version: FileVersion
}

/// An input that is not a picture.
public struct InputFailure: Sendable, Hashable {
    /// The input.
    public let path: FilePath
    /// Why it is not a picture.
    public let reason: String
}

extension InputFailure: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String { "\(path.text): \(reason)" }
}

/// The part of the pictures that one of several processes takes.
///
/// It depends on a picture's path alone. Processes that start at different times or see different files never
/// take the same picture.
public struct Shard: Sendable, Equatable {
    /// This part, counted from 0.
    public let index: Int
    /// The number of parts.
    public let count: Int

    /// Reads `2/8`, the second of eight parts; nil for anything else.
    public init?(parsing text: String) {
        let numbers = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.count == 2, let number = numbers[0], let count = numbers[1],
            count >= 1, (1...count).contains(number)
        else { return nil }
        index = number - 1
        self.count = count
    }

    /// Whether a picture is in this part.
    public func contains(_ path: FilePath) -> Bool {
        let hash = ContentHash.bytes(of: path.bytes).prefix(8).reduce(UInt64(0)) {
            $0 << 8 | UInt64($1)
        }
        return hash % UInt64(count) == UInt64(index)
    }
}
