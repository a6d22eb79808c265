// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A new file beside another one, whose name it is to get.
///
/// It is locked as long as its writer lives, so that two writers of one file do not meet, and what a writer
/// left that was killed is told from what is being written, and deleted by the next.
struct FileAside {
    let path: FilePath
    let descriptor: Int32

    /// Writers of the same file at the same time.
    private static let mostWriters = 1000
    /// Bytes of the file's name that the name aside has: together with the rest they stay below any limit.
    private static let keptNameLength = 200

    /// Makes an empty file beside `target`; nil with `errno` set where that cannot be.
    init?(beside target: FilePath, mode: mode_t) {
        for number in 0..<Self.mostWriters {
            let path = Self.path(beside: target, number)
            while true {
                switch Self.make(path, mode: mode) {
                case .made(let descriptor):
                    self.path = path
                    self.descriptor = descriptor
                    Self.removeAbandoned(beside: target, after: number)
                    return
                case .again: continue
                case .taken: break
                case .impossible: return nil
                }
                break
            }
        }
        errno = EEXIST
        return nil
    }

    private enum Attempt {
        case made(Int32)
        /// What was in the way is gone.
        case again
        /// Another writer has the name.
        case taken
        case impossible
    }

    private static func make(_ path: FilePath, mode: mode_t) -> Attempt {
        let flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC
        let descriptor = path.withCString { open($0, flags, mode) }
        guard descriptor >= 0 else {
            guard errno == EEXIST else { return .impossible }
            return removeIfAbandoned(path) ? .again : .taken
        }
        // Where a file system has no locks, the new name alone keeps others away.
        let isLocked = flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
        guard isLocked, isNamed(path, descriptor) else {
            // Another writer took it for abandoned in between.
            closeUnlocked(descriptor)
            return .taken
        }
        return .made(descriptor)
    }

    /// Deletes files of writers that were killed; names are given in order.
    private static func removeAbandoned(beside target: FilePath, after number: Int) {
        for number in (number + 1)..<mostWriters {
            let path = path(beside: target, number)
            guard FileStatus(path) != nil else { return }
            removeIfAbandoned(path)
        }
    }

    @discardableResult
    private static func removeIfAbandoned(_ path: FilePath) -> Bool {
        let descriptor = path.withCString {
            open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        }
        guard descriptor >= 0 else { return errno == ENOENT }
        defer { closeUnlocked(descriptor) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return false }
        guard isNamed(path, descriptor) else { return true }
        return path.withCString { unlink($0) } == 0
    }

    private static func isNamed(_ path: FilePath, _ descriptor: Int32) -> Bool {
        FileStatus(path)?.identity == FileStatus(descriptor: descriptor)?.identity
    }

    /// Gives the file its name, as it is on the disk; false with `errno` set where that fails.
    func take(nameOf target: FilePath) -> Bool {
        guard fsync(descriptor) == 0,
            path.withCString({ old in target.withCString { rename(old, $0) } }) == 0
        else { return false }
        OutputFolder.synchronize(target.folder)
        return true
    }

    /// Deletes the file, unless it has got its name.
    func remove() {
        if Self.isNamed(path, descriptor) { _ = path.withCString { unlink($0) } }
        closeUnlocked(descriptor)
    }

    private static func path(beside target: FilePath, _ number: Int) -> FilePath {
        var name = target.name.prefix(keptNameLength)
        // No name ends within a character of UTF-8.
        if name.count < target.name.count {
            while let last = name.last, last & 0xC0 == 0x80 { name.removeLast() }
            if let last = name.last, last >= 0xC0 { name.removeLast() }
        }
        let ending = number == 0 ? ".trimllava.tmp" : ".trimllava-\(number).tmp"
        return target.folder.appending([UInt8(ascii: ".")] + name + Array(ending.utf8))
    }
}

/// Takes a file's lock off and closes it.
///
/// Closing alone leaves the lock to a process that is just being started: it has all files open until it
/// runs its own program.
public func closeUnlocked(_ descriptor: Int32) {
    flock(descriptor, LOCK_UN)
    close(descriptor)
}
