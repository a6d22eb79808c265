// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The files that a command reads and writes.
///
/// A command that would overwrite its input, or write one file twice, is refused before it writes anything.
///
/// Files are compared by device and inode, however their paths are spelled. Files that do not exist yet are
/// compared by folder and name. Devices such as `/dev/null` may occur any number of times.
public struct FileClaims {
    /// A path and the option that names it.
    public struct Claim: Sendable, Equatable, CustomStringConvertible {
        /// The option; empty for an argument.
        let option: String
        let path: FilePath
        let isOutput: Bool

        /// The claim as the user typed it.
        public var description: String {
            guard option.isEmpty else { return "\(option) \(path.text)" }
            guard path == .standardStream else { return path.text }
            return isOutput ? "standard output" : "standard input"
        }
    }

    private var reads: [Key: Claim] = [:]
    private var writes: [Key: Claim] = [:]

    /// All paths that the command reads, devices and `-` among them, as they were claimed.
    public private(set) var inputs: [FilePath] = []
    /// All paths that the command writes, devices and `-` among them, as they were claimed.
    public private(set) var outputs: [FilePath] = []

    /// No claims.
    public init() {}

    /// Whether the command writes a file that exists.
    public var mayOverwrite: Bool {
        writes.keys.contains { if case .file = $0 { true } else { false } }
    }

    /// Claims a file that the command reads; `-` is standard input.
    ///
    /// - Throws: `FileConflict` if the command writes the same file.
    public mutating func reads(_ path: FilePath, as option: String = "") throws(FileConflict) {
        inputs.append(path)
        guard let key = Key(path, stream: STDIN_FILENO) else { return }
        let claim = Claim(option: option, path: path, isOutput: false)
        if let write = writes[key] { throw .overwritesInput(output: write, input: claim) }
        reads[key] = claim
    }

    /// Claims a file that the command writes; `-` is standard output.
    ///
    /// - Throws: `FileConflict` if the command reads the same file or already writes it.
    public mutating func writes(_ path: FilePath, as option: String = "") throws(FileConflict) {
        try check(writing: path, as: option)
        outputs.append(path)
        guard let key = Key(path, stream: STDOUT_FILENO) else { return }
        writes[key] = Claim(option: option, path: path, isOutput: true)
    }

    /// Checks an output without claiming it, for many outputs that are known to differ from each other.
    ///
    /// - Throws: `FileConflict`, as `writes`.
    public func check(writing path: FilePath, as option: String) throws(FileConflict) {
        guard let key = Key(path, stream: STDOUT_FILENO) else { return }
        let claim = Claim(option: option, path: path, isOutput: true)
        if let read = reads[key] { throw .overwritesInput(output: claim, input: read) }
        if let write = writes[key] { throw .sameOutput(claim, write) }
    }

    /// What identifies a file.
    private enum Key: Hashable {
        case file(FileStatus.Identity)
        /// A file that does not exist yet.
        case name(folder: FileStatus.Identity, [UInt8])
        /// A file whose folder does not exist yet either.
        case path(FilePath)
        /// A terminal or a pipe.
        case standardOutput

        /// Nil for a device, and for standard input unless it is a regular file.
        init?(_ path: FilePath, stream: Int32) {
            guard path != .standardStream else {
                self.init(stream: stream)
                return
            }
            if let status = FileStatus(path) {
                guard !status.isDevice else { return nil }
                self = .file(status.identity)
                return
            }
            let target = path.followingLinks()
            if let folder = FileStatus(target.folder) {
                self = .name(folder: folder.identity, Array(target.name))
            } else {
                self = .path(target)
            }
        }

        private init?(stream: Int32) {
            if let status = FileStatus(descriptor: stream), status.kind == .file {
                self = .file(status.identity)
            } else if stream == STDOUT_FILENO {
                self = .standardOutput
            } else {
                return nil
            }
        }
    }
}

/// A command would write a file that it also reads, or write one file twice.
public enum FileConflict: Error, Equatable, CustomStringConvertible {
    /// An output is an input.
    case overwritesInput(output: FileClaims.Claim, input: FileClaims.Claim)
    /// Two outputs are the same file.
    case sameOutput(FileClaims.Claim, FileClaims.Claim)

    /// One sentence for the user.
    public var description: String {
        switch self {
        case .overwritesInput(let output, let input):
            "\(output) would overwrite \(input), which the command reads"
        case .sameOutput(let first, let second):
            "\(first) and \(second) are the same file; each output needs its own"
        }
    }
}
