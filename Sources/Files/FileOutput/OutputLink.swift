// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Symbolic links as outputs.
public enum OutputLink {
    /// Makes a symbolic link, in place of one that is there.
    ///
    /// - Parameters:
    ///   - target: what the link says, relative to its folder.
    ///   - makesFolders: whether to create missing folders.
    /// - Throws: `FileOutputError`; a file that is no link is left alone.
    public static func make(
        _ path: FilePath, to target: FilePath, makesFolders: Bool = false
    ) throws(FileOutputError) {
        if makesFolders { try OutputFolder.make(path.folder) }
        func makeLink(_ place: FilePath) -> Bool {
            target.withCString { text in place.withCString { symlink(text, $0) } } == 0
        }
        if makeLink(path) { return }
        let code = errno
        guard code == EEXIST, let present = path.link else { throw FileOutputError(path, code) }
        if present == target { return }
        // A rename replaces the old link at once. A killed process may have left one.
        let aside = FileAside.path(beside: path, 0)
        if aside.isLink { _ = aside.withCString { unlink($0) } }
        guard makeLink(aside) else { throw FileOutputError(path) }
        guard aside.withCString({ old in path.withCString { rename(old, $0) } }) == 0 else {
            let error = FileOutputError(path)
            _ = aside.withCString { unlink($0) }
            throw error
        }
    }
}
