// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA

/// Where a picture is to be found.
public struct PictureReference: Sendable, Hashable {
    /// A file, or a member of an archive.
    public enum Place: Sendable, Hashable {
        /// The file at the reference's path.
        case file
        /// What an archive has at some position, counted from 0, as long as its header is this one.
        case member(archive: FilePath, position: Int, header: MemberHeader)
    }

    /// What the picture is called: a path, or an archive's path, a slash, and a member's name.
    public let path: FilePath
    /// Its path below the folder that was asked for; for what was named itself, the whole path without a root
    /// and steps upwards.
    public let relativePath: FilePath
    /// Where it is.
    public let place: Place

    /// A picture somewhere.
    ///
    /// - Parameter folder: the folder that was asked for, if it was found in one.
    public init(path: FilePath, below folder: FilePath? = nil, place: Place = .file) {
        self.path = path
        self.place = place
        let rest = folder.map { path.bytes.dropFirst($0.bytes.count) } ?? path.bytes[...]
        let steps = rest.split(separator: UInt8(ascii: "/")).filter {
            $0 != Array(".".utf8)[...] && $0 != Array("..".utf8)[...]
        }
        relativePath = steps.reduce(FilePath("")) { $0.appending($1) }
    }

    /// Its version at this moment; nil where it cannot be found.
    var version: FileVersion? {
        switch place {
        case .file: FileStatus(path)?.version
        case .member(_, _, let header): header.version
        }
    }

    /// What the archive that the picture is in calls it; nil for a file.
    var memberName: FilePath? {
        guard case .member(let archive, _, _) = place else { return nil }
        return FilePath(path.bytes.dropFirst(archive.bytes.count + 1))
    }

    /// The extensions by which pictures in folders and archives are told from other files.
    ///
    /// Those of formats that are not decoded are among them, so that their files do not go unnoticed.
    public static let extensions: Set<String> = [
        "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif",
        "avif", "jxl",
    ]
}

/// What an archive says about a member, by which the member is known again.
public struct MemberHeader: Hashable, Sendable {
    /// The name that it is stored by.
    let name: [UInt8]
    let version: FileVersion
}

/// What was asked for and is no picture.
public struct InputFailure: Sendable, Hashable {
    /// What was asked for.
    public let path: FilePath
    /// Why it is none.
    public let reason: String
}

extension InputFailure: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String { "\(path.text): \(reason)" }
}

/// Which part of the pictures one of several processes takes.
///
/// A picture's path alone decides, so that processes that start at other times, or see other files,
/// never take the same one.
public struct Shard: Sendable, Equatable {
    /// This part, from 0.
    public let index: Int
    /// Parts in all.
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
        let hash = SHA256.digest(of: path.bytes).prefix(8).reduce(UInt64(0)) {
            $0 << 8 | UInt64($1)
        }
        return hash % UInt64(count) == UInt64(index)
    }
}
