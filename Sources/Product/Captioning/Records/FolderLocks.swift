// SPDX-License-Identifier: Apache-2.0
import FileOutput

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Locks folders against other runs that write sidecars.
final class FolderLocks {
    private var descriptors: [Int32] = []

    /// Locks folders and creates missing ones.
    ///
    /// - Parameter isShared: whether runs for other parts of the pictures may write to them, too.
    /// - Throws: `CaptioningError.inUse`, `.unwritable`.
    init(_ folders: Set<FilePath>, isShared: Bool) throws(CaptioningError) {
        Self.allowDescriptors(folders.count)
        for folder in folders.sorted() {
            try writing { () throws(FileOutputError) in try OutputFolder.make(folder) }
            let descriptor = uninterrupted {
                folder.withCString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
            }
            guard descriptor >= 0 else { throw Self.unwritable(folder) }
            descriptors.append(descriptor)
            let lock = (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB
            guard uninterrupted({ flock(descriptor, lock) }) == 0 else {
                if errno == EWOULDBLOCK { throw .inUse(path: folder.text) }
                throw Self.unwritable(folder)
            }
        }
    }

    /// Raises the process's limit of open files by `count`, as far as the system allows.
    private static func allowDescriptors(_ count: Int) {
        #if canImport(Glibc)
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let resource = RLIMIT_NOFILE
        #endif
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return }
        let wanted = rlim_t(count + otherDescriptors)
        guard limit.rlim_cur < wanted else { return }
        limit.rlim_cur = min(wanted, limit.rlim_max)
        setrlimit(resource, &limit)
    }

    /// Other files that a run has open: outputs, pictures, weights, and those of libraries.
    private static let otherDescriptors = 128

    private static func unwritable(_ folder: FilePath) -> CaptioningError {
        .unwritable(path: folder.text, reason: systemReason())
    }

    deinit { for descriptor in descriptors { closeUnlocked(descriptor) } }
}
