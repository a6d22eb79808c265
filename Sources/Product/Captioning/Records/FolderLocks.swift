// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Keeps other runs from writing sidecars to the same folders, where no file of records does.
final class FolderLocks {
    private var descriptors: [Int32] = []

    /// Locks folders; those that are missing are made.
    ///
    /// - Parameter isShared: whether runs for other parts of the pictures may write there too.
    /// - Throws: `CaptioningError.inUse`, `.unwritable`.
    init(_ folders: Set<FilePath>, isShared: Bool) throws(CaptioningError) {
        for folder in folders.sorted() {
            guard ReplacedFile.makeFolder(folder) else { throw ReplacedFile.unwritable(folder) }
            let descriptor = folder.withCString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
            guard descriptor >= 0 else { throw ReplacedFile.unwritable(folder) }
            descriptors.append(descriptor)
            guard flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 else {
                if errno == EWOULDBLOCK { throw .inUse(path: folder.text) }
                throw ReplacedFile.unwritable(folder)
            }
        }
    }

    deinit { for descriptor in descriptors { closeUnlocked(descriptor) } }
}

/// Takes a file's lock off and closes it.
///
/// Closing alone leaves the lock to a process that is just being started: it has all files open until it
/// runs its own program.
func closeUnlocked(_ descriptor: Int32) {
    flock(descriptor, LOCK_UN)
    close(descriptor)
}
