// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A path as the file system stores it: bytes, which need not be UTF-8.
public struct FilePath: Hashable, Sendable {
    /// Any bytes but NUL.
    public let bytes: [UInt8]

    private static let slash = UInt8(ascii: "/")

    /// A path of the given bytes.
    public init(_ bytes: some Sequence<UInt8>) {
        self.bytes = Array(bytes)
    }

    /// The path that a text spells in UTF-8.
    public init(_ text: String) {
        bytes = Array(text.utf8)
    }

    /// The path as text, with replacement characters where it is not UTF-8.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Whether the path is valid UTF-8.
    public var isText: Bool { String(validating: bytes, as: UTF8.self) != nil }

    /// The part after the last slash.
    public var name: ArraySlice<UInt8> {
        bytes[((bytes.lastIndex(of: Self.slash) ?? -1) + 1)...]
    }

    /// The path of the folder that contains it.
    public var folder: FilePath {
        guard let end = bytes.lastIndex(of: Self.slash) else { return FilePath(".") }
        return FilePath(bytes[..<max(end, 1)])
    }

    /// The part of the name after its last dot, in lower case.
    ///
    /// Empty for names without a dot, and for names whose only dot comes first.
    public var fileExtension: String {
        guard let dot = lastDot else { return "" }
        return String(decoding: bytes[(dot + 1)...], as: UTF8.self).lowercased()
    }

    /// The path without its extension and the dot before it.
    public var withoutExtension: FilePath {
        lastDot.map { FilePath(bytes[..<$0]) } ?? self
    }

    /// Whether the name begins with a dot.
    public var isHidden: Bool { name.first == UInt8(ascii: ".") }

    /// Whether the path starts at the root.
    public var isAbsolute: Bool { bytes.first == Self.slash }

    /// The path of an entry of this folder.
    public func appending(_ name: some Sequence<UInt8>) -> FilePath {
        bytes.isEmpty || bytes.last == Self.slash
            ? FilePath(bytes + name) : FilePath(bytes + [Self.slash] + name)
    }

    /// The path with a text appended to its last component.
    public func adding(_ text: String) -> FilePath { FilePath(bytes + Array(text.utf8)) }

    /// Hands the path to a function of the operating system.
    public func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { characters in
                guard let start = characters.baseAddress else {
                    preconditionFailure("there is at least the terminator")
                }
                return body(start)
            }
        }
    }

    /// The path without symbolic links, dots and double slashes; nil if nothing exists there.
    public func resolved() -> FilePath? {
        guard let resolved = withCString({ realpath($0, nil) }) else { return nil }
        defer { free(resolved) }
        return FilePath(UnsafeRawBufferPointer(start: resolved, count: strlen(resolved)))
    }

    /// The path without symbolic links, dots and double slashes; nil if nothing exists there.
    ///
    /// - Throws: `FileLookupError` if the system does not say, as on a damaged disk.
    public func lookedUp() throws(FileLookupError) -> FilePath? {
        if let resolved = resolved() { return resolved }
        guard errno == ENOENT || errno == ENOTDIR else { throw FileLookupError(self) }
        return nil
    }

    /// The target of a symbolic link, whether or not it exists.
    ///
    /// The path itself if it is not a link, or if its links form a circle.
    public func followingLinks() -> FilePath {
        var path = self
        for _ in 0..<Self.mostLinks {
            guard let link = path.link else { return path }
            path = link.isAbsolute ? link : path.folder.appending(link.bytes)
        }
        return self
    }

    /// The longest chain of links, as in Linux.
    private static let mostLinks = 40

    /// Whether the path is a symbolic link.
    public var isLink: Bool { link != nil }

    /// The text of a symbolic link; nil if the path is not one.
    var link: FilePath? {
        var text = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = withCString { readlink($0, &text, text.count) }
        return length > 0 ? FilePath(text[..<length].map { UInt8(bitPattern: $0) }) : nil
    }

    private var lastDot: Int? {
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else {
            return nil
        }
        return dot
    }
}

extension FilePath: Comparable {
    /// Compares paths byte by byte.
    public static func < (left: FilePath, right: FilePath) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}
