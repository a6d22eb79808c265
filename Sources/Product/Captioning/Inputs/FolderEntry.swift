// SPDX-License-Identifier: Apache-2.0
import FileOutput

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// An entry of a folder.
struct FolderEntry {
    /// The folder's path and the entry's name.
    let path: FilePath
    /// Whether it is a folder itself and not a link to one.
    let isFolder: Bool
    /// Whether it is a symbolic link.
    let isLink: Bool
    /// Whether it is a folder or may lead to one.
    let mayBeFolder: Bool

    /// All entries, ordered by the bytes of their names; nil with `errno` set on failure.
    static func entries(of folder: FilePath) -> [FolderEntry]? {
        guard let stream = folder.withCString({ opendir($0) }) else { return nil }
        defer { closedir(stream) }
        var entries: [FolderEntry] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = bytes(ofName: entry)
            guard name != Array(".".utf8), name != Array("..".utf8) else { continue }
            let type = Int32(entry.pointee.d_type)
            entries.append(
                FolderEntry(
                    path: folder.appending(name), isFolder: type == Int32(DT_DIR),
                    isLink: type == Int32(DT_LNK),
                    mayBeFolder: [Int32(DT_DIR), Int32(DT_LNK), Int32(DT_UNKNOWN)].contains(type)))
        }
        guard errno == 0 else { return nil }
        return entries.sorted { $0.path < $1.path }
    }

    /// The bytes of the name.
    ///
    /// They are read in place because the imported tuple may be longer than the entry.
    private static func bytes(ofName entry: UnsafeMutablePointer<dirent>) -> [UInt8] {
        let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
        let start = UnsafeRawPointer(entry) + offset
        return Array(
            UnsafeRawBufferPointer(
                start: start, count: strlen(start.assumingMemoryBound(to: CChar.self))))
    }
}
