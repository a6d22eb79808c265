// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A temporary file in the folder of the file that it will replace.
///
/// The writer holds a lock on it. The lock keeps two writers of one file apart. It also tells a file that is
/// being written from one that a killed writer left; the next writer deletes the latter.
struct FileAside {
    let path: FilePath
    let descriptor: Int32
    private var isRenamed = false

    /// The most writers of the same file at the same time.
    private static let mostWriters = 1000
    /// The most bytes of the target's name in the temporary name, which stays within every file system's limit.
    private static let keptNameLength = 200

    /// Creates an empty file beside `target`; nil with `errno` set on failure.
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
        /// An abandoned file of that name is gone.
        case again
        /// Another writer uses the name.
        case taken
        case impossible
    }

    private static func make(_ path: FilePath, mode: mode_t) -> Attempt {
        let flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC
        let descriptor = uninterrupted { path.withCString { open($0, flags, mode) } }
        guard descriptor >= 0 else {
            guard errno == EEXIST else { return .impossible }
            return removeIfAbandoned(path) ? .again : .taken
        }
        // On file systems without locks, exclusive creation alone keeps other writers away.
        let isFree = lock(descriptor) || errno != EWOULDBLOCK
        switch isFree ? isNamed(path, descriptor) : false {
        case true?: return .made(descriptor)
        case false?:
            // Another writer deleted the file before it was locked.
            closeUnlocked(descriptor)
            return .taken
        case nil:
            let code = errno
            _ = path.withCString { unlink($0) }
            closeUnlocked(descriptor)
            errno = code
            return .impossible
        }
    }

    private static func lock(_ descriptor: Int32) -> Bool {
        uninterrupted { flock(descriptor, LOCK_EX | LOCK_NB) } == 0
    }

    /// Deletes the files of killed writers.
    ///
    /// Writers take numbers in order, so the first free number ends the search.
    private static func removeAbandoned(beside target: FilePath, after number: Int) {
        for number in (number + 1)..<mostWriters {
            let path = path(beside: target, number)
            guard FileStatus(path) != nil else { return }
            removeIfAbandoned(path)
        }
    }

    @discardableResult
    private static func removeIfAbandoned(_ path: FilePath) -> Bool {
        let descriptor = uninterrupted {
            path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) }
        }
        guard descriptor >= 0 else { return errno == ENOENT }
        defer { closeUnlocked(descriptor) }
        guard lock(descriptor), let isNamed = isNamed(path, descriptor) else { return false }
        return !isNamed || path.withCString { unlink($0) } == 0
    }

    /// Whether the path leads to the open file; nil with `errno` set where the system does not say.
    private static func isNamed(_ path: FilePath, _ descriptor: Int32) -> Bool? {
        guard let opened = FileStatus(descriptor: descriptor) else { return nil }
        guard let named = FileStatus(path) else { return errno == ENOENT ? false : nil }
        return named.identity == opened.identity
    }

    /// Synchronises the file and renames it to `target`; false with `errno` set on failure.
    mutating func take(nameOf target: FilePath) -> Bool {
        guard uninterrupted({ fsync(descriptor) }) == 0,
            path.withCString({ old in target.withCString { rename(old, $0) } }) == 0
        else { return false }
        isRenamed = true
        return OutputFolder.synchronize(target.folder)
    }

    /// Deletes the file, unless it has been renamed, and closes it.
    func remove() {
        if !isRenamed { _ = path.withCString { unlink($0) } }
        closeUnlocked(descriptor)
    }

    /// The name of the temporary file of a number beside a file.
    static func path(beside target: FilePath, _ number: Int) -> FilePath {
        var name = target.name.prefix(keptNameLength)
        // The cut must not split a UTF-8 character.
        if name.count < target.name.count {
            while let last = name.last, last & 0xC0 == 0x80 { name.removeLast() }
            if let last = name.last, last >= 0xC0 { name.removeLast() }
        }
        let ending = number == 0 ? ".trimllava.tmp" : ".trimllava-\(number).tmp"
        return target.folder.appending([UInt8(ascii: ".")] + name + Array(ending.utf8))
    }
}

/// Unlocks a file and closes it.
///
/// Closing alone would leave the lock to a child process between fork and exec, which has copies of all open
/// descriptors.
public func closeUnlocked(_ descriptor: Int32) {
    flock(descriptor, LOCK_UN)
    close(descriptor)
}
