// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Lists of paths, as `find` writes them.
public enum FileList {
    /// The paths in a file, or in standard input when the path is `-`.
    ///
    /// A list that has a NUL is separated by them, as `find -print0` writes it, and then names may have line
    /// ends; any other list has one path per line. Empty paths are left out.
    ///
    /// - Throws: `CaptioningError.unreadable`.
    public static func paths(in list: FilePath) throws(CaptioningError) -> [FilePath] {
        paths(
            in: list == FilePath("-")
                ? try FileBytes.contents(of: STDIN_FILENO, name: "standard input")
                : try FileBytes.contents(list))
    }

    static func paths(in bytes: [UInt8]) -> [FilePath] {
        let separator = bytes.contains(0) ? 0 : UInt8(ascii: "\n")
        return bytes.split(separator: separator).compactMap { path in
            let carriageReturn = UInt8(ascii: "\r")
            let isDOS = separator != 0 && path.last == carriageReturn
            let path = isDOS ? path.dropLast() : path
            return path.isEmpty ? nil : FilePath(path)
        }
    }
}
