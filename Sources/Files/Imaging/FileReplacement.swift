// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Writes whole files, so that nobody ever sees half of one.
enum FileReplacement {
    /// Writes a file aside, in the same folder, and then gives it its name.
    ///
    /// A symbolic link is followed. What is there and no file (a device, a pipe) is written to directly.
    ///
    /// - Throws: `ImagingError.unwritable` with the path in it; then nothing is left behind.
    static func replace(_ path: String, with bytes: [UInt8]) throws(ImagingError) {
        let target = resolved(path)
        guard isFileOrAbsent(target) else {
            let descriptor = open(target, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0, fill(descriptor, with: bytes) else { throw unwritable(path) }
            return
        }
        let aside = folder(of: target) + ".trimllava-\(UInt64.random(in: 0 ... .max)).tmp"
        let descriptor = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw unwritable(path) }
        guard fill(descriptor, with: bytes), rename(aside, target) == 0 else {
            let error = unwritable(path)
            unlink(aside)
            throw error
        }
    }

    /// The path of what a symbolic link leads to, the path itself when nothing is there yet.
    private static func resolved(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static func isFileOrAbsent(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
    }

    /// The path up to its last slash, that included.
    private static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    }

    /// Writes all bytes and closes; false with `errno` set when either fails.
    private static func fill(_ descriptor: Int32, with bytes: [UInt8]) -> Bool {
        let isComplete = writeAll(bytes, to: descriptor)
        let reason = errno
        let isClosed = close(descriptor) == 0
        if !isComplete { errno = reason }
        return isComplete && isClosed
    }

    /// The error that the operating system reported last.
    private static func unwritable(_ path: String) -> ImagingError {
        .unwritable(name: path, reason: String(cString: strerror(errno)))
    }
}

/// Writes all bytes to an open file; false with `errno` set where not all could be written.
public func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    bytes.withUnsafeBytes { bytes in
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = write(
                descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
