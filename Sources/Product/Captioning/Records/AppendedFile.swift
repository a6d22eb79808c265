// SPDX-License-Identifier: Apache-2.0
import FileOutput

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file of lines that one process at a time appends to.
///
/// After a crash, a kill or a full disk it has whole lines only.
///
/// Every line is handed to the operating system in one piece at once, so it survives a crash of the process. It
/// is synchronised at most a second later, so it survives a power failure from then on.
final class AppendedFile {
    /// A power failure loses the lines of at most this time.
    static let synchronizationInterval = Duration.seconds(1)

    let path: FilePath
    /// The length in bytes up to the end of the last line.
    private(set) var length = 0

    private var descriptor: Int32
    /// The file before it was rewritten.
    ///
    /// Its lock stops processes that opened it before.
    private var superseded: Int32 = -1
    private var identity: FileIdentity?
    private var lastSynchronization = ContinuousClock.now
    private var isSynchronized = true

    /// Opens or creates a file and locks it, without changing its content.
    ///
    /// - Throws: `CaptioningError.unwritable`, `.inUse`.
    init(_ path: FilePath) throws(CaptioningError) {
        self.path = path
        descriptor = try Self.lockedDescriptor(path)
        guard let status = FileStatus(descriptor: descriptor) else { throw unwritable() }
        if status.kind == .file {
            identity = status.identity
            length = status.version.size
        }
    }

    deinit {
        closeUnlocked(descriptor)
        if superseded >= 0 { closeUnlocked(superseded) }
    }

    private static func lockedDescriptor(_ path: FilePath) throws(CaptioningError) -> Int32 {
        do {
            return try LockedOutput.opened(path)
        } catch {
            switch error {
            case .inUse: throw .inUse(path: path.text)
            case .unwritable(let error):
                throw .unwritable(path: error.path, reason: error.reason)
            }
        }
    }

    /// Appends a line with its end.
    ///
    /// - Throws: `CaptioningError.unwritable`, with the file unchanged; `.removed`.
    func append(_ line: [UInt8]) throws(CaptioningError) {
        if let identity {
            guard try FileStatus.present(path)?.identity == identity else {
                throw .removed(path: path.text)
            }
        }
        guard writeAll(line, to: descriptor) else {
            let error = unwritable()
            if identity != nil { _ = uninterrupted { ftruncate(descriptor, off_t(length)) } }
            throw error
        }
        length += line.count
        isSynchronized = false
        if ContinuousClock.now - lastSynchronization >= Self.synchronizationInterval {
            try synchronize()
        }
    }

    /// Makes the appended lines survive a power failure.
    func synchronize() throws(CaptioningError) {
        guard identity != nil, !isSynchronized else { return }
        guard uninterrupted({ fsync(descriptor) }) == 0 else { throw unwritable() }
        isSynchronized = true
        lastSynchronization = .now
    }

    /// The first bytes, at most `count`.
    ///
    /// - Throws: `CaptioningError.unreadable`.
    func beginning(_ count: Int) throws(CaptioningError) -> [UInt8] {
        try bytes(at: 0, count: min(count, length))
    }

    /// Bytes of the file; fewer than `count` if somebody has shortened it.
    private func bytes(at offset: Int, count: Int) throws(CaptioningError) -> [UInt8] {
        guard let bytes = readAll(count, at: offset, of: descriptor) else {
            throw .unreadable(path: path.text, reason: systemReason())
        }
        return bytes
    }

    /// Calls `body` with each line, without its end, and its number, counted from 1.
    func forEachLine(
        _ body: (ArraySlice<UInt8>, Int) throws(CaptioningError) -> Void
    ) throws(CaptioningError) {
        var (offset, number, pending) = (0, 0, [UInt8]())
        while offset < length {
            let chunk = try bytes(at: offset, count: min(1 << 18, length - offset))
            guard !chunk.isEmpty else { throw .removed(path: path.text) }
            offset += chunk.count
            var start = 0
            while let end = chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
                number += 1
                try body((pending + chunk[start..<end])[...], number)
                pending.removeAll(keepingCapacity: true)
                start = end + 1
            }
            pending += chunk[start...]
        }
    }

    /// Replaces the file by one that has only the lines that satisfy `isKept`.
    ///
    /// The old file stays until the new one is complete.
    ///
    /// - Throws: `CaptioningError.unwritable`, with the file unchanged.
    func rewrite(
        keeping isKept: (_ number: Int) -> Bool
    ) throws(CaptioningError) {
        let new = try writing { () throws(FileOutputError) in try OutputFile(path) }
        guard new.isReplacement else {
            throw .unwritable(
                path: path.text, reason: "it is the file of standard output or standard error")
        }
        var newLength = 0
        try forEachLine { line, number throws(CaptioningError) in
            guard isKept(number) else { return }
            try writing { () throws(FileOutputError) in
                try new.append(line)
                try new.append([UInt8(ascii: "\n")])
            }
            newLength += line.count + 1
        }
        try take(try writing { () throws(FileOutputError) in try new.finishAndKeepOpen() })
        length = newLength
    }

    /// Continues with the file that replaced the old one and is locked, too.
    private func take(_ new: Int32) throws(CaptioningError) {
        guard fcntl(new, F_SETFL, O_APPEND) == 0 else { throw unwritable() }
        if superseded >= 0 { closeUnlocked(superseded) }
        superseded = descriptor
        descriptor = new
        identity = FileStatus(descriptor: new)?.identity
    }

    /// Cuts off a last line without an end, as a crash or a full disk leaves it.
    ///
    /// - Throws: `CaptioningError`.
    func dropTornLine() throws(CaptioningError) {
        var end = length
        while end > 0 {
            let start = max(0, end - 1 << 12)
            let chunk = try bytes(at: start, count: end - start)
            if let last = chunk.lastIndex(of: UInt8(ascii: "\n")) {
                end = start + last + 1
                break
            }
            end = start
        }
        guard end < length else { return }
        guard uninterrupted({ ftruncate(descriptor, off_t(end)) }) == 0 else { throw unwritable() }
        length = end
    }

    private func unwritable() -> CaptioningError {
        .unwritable(path: path.text, reason: systemReason())
    }
}
