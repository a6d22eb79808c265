// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why a file cannot be written: its path, and the error that the operating system reports.
public struct FileOutputError: Error, Equatable {
    /// The path as it was given, with replacement characters where it is not UTF-8.
    public let path: String
    /// The error's number, such as `ENOSPC`.
    public let code: Int32

    /// The operating system's message, such as `No space left on device`.
    public var reason: String { systemReason(code) }

    init(_ path: FilePath, _ code: Int32 = errno) {
        self.path = path.text
        self.code = code
    }
}

extension FileOutputError: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String { "\(path): cannot be written: \(reason)" }
}
