// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A whole file, mapped read-only; the mapping ends with the last reference.
///
/// Pages are read from disk when they are first touched. Another process that shortens the file while
/// it is mapped makes later reads fault, as with every memory-mapped file.
final class MappedFile: @unchecked Sendable {
    /// The path as it was given.
    let path: String

    /// The bytes of the file, never written, valid while this object lives.
    let bytes: UnsafeRawBufferPointer

    /// Maps a regular, non-empty file.
    init(path: String) throws(GGUFError) {
        guard !path.utf8.contains(0) else {
            throw .unreadable(file: path, reason: "the path contains a zero byte")
        }
        // Without O_NONBLOCK, opening a named pipe would wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw .unreadable(file: path, reason: "cannot open the file: \(systemMessage())")
        }
        defer { close(descriptor) }
        let count = try MappedFile.regularFileSize(descriptor, path)
        guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0),
            address != MAP_FAILED
        else {
            throw .unreadable(file: path, reason: "cannot map the file: \(systemMessage())")
        }
        self.path = path
        bytes = UnsafeRawBufferPointer(start: address, count: count)
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }

    private static func regularFileSize(
        _ descriptor: Int32, _ path: String
    ) throws(GGUFError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .unreadable(file: path, reason: "cannot examine the file: \(systemMessage())")
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw .unreadable(file: path, reason: "is a folder, expected a GGUF file")
        default: throw .unreadable(file: path, reason: "is not a regular file")
        }
        guard status.st_size > 0 else {
            throw .unreadable(file: path, reason: "the file is empty")
        }
        return Int(status.st_size)
    }
}

/// The operating system's text for the last failed call.
private func systemMessage() -> String {
    String(cString: strerror(errno))
}
