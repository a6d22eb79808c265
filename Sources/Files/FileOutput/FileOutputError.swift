// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why a file cannot be written: its path, and the operating system's words, such as `No space left on
/// device`.
public struct FileOutputError: Error, Equatable {
    /// The path as it was given, with replacement characters where it is no text.
    public let path: String
    /// Why it cannot be written.
    public let reason: String

    init(_ path: FilePath, _ code: Int32 = errno) {
        self.path = path.text
        reason = systemReason(code)
    }
}

extension FileOutputError: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String { "\(path): cannot be written: \(reason)" }
}
