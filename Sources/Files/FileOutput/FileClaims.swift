// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The files that a command reads and writes, so that it can be refused before it writes what it reads, or
/// one file twice.
///
/// Files are told apart by what they are, not by how they are spelt: by device and inode, and where there is
/// none yet by folder and name. Devices such as `/dev/null` may occur any number of times.
public struct FileClaims {
    /// A path and the option that names it.
    public struct Claim: Sendable, Equatable, CustomStringConvertible {
        /// The option; empty for an argument.
        let option: String
        let path: FilePath
        let isOutput: Bool

        /// The claim as it stands on a command line.
        public var description: String {
            guard option.isEmpty else { return "\(option) \(path.text)" }
            guard path == .standardStream else { return path.text }
            return isOutput ? "standard output" : "standard input"
        }
    }

    private var reads: [Key: Claim] = [:]
    private var writes: [Key: Claim] = [:]

    /// Nothing is read or written.
    public init() {}

    /// Whether a file that is there is to be written.
    public var mayOverwrite: Bool {
        writes.keys.contains { if case .file = $0 { true } else { false } }
    }

    /// The command reads a file; `-` is standard input.
    ///
    /// - Throws: `FileConflict` where it writes the same file.
    public mutating func reads(_ path: FilePath, as option: String = "") throws(FileConflict) {
        guard let key = Key(path, stream: STDIN_FILENO) else { return }
        let claim = Claim(option: option, path: path, isOutput: false)
        if let write = writes[key] { throw .overwritesInput(output: write, input: claim) }
        reads[key] = claim
    }

    /// The command writes a file; `-` is standard output.
    ///
    /// - Throws: `FileConflict` where it reads the same file, or writes it otherwise too.
    public mutating func writes(_ path: FilePath, as option: String = "") throws(FileConflict) {
        try check(writing: path, as: option)
        guard let key = Key(path, stream: STDOUT_FILENO) else { return }
        writes[key] = Claim(option: option, path: path, isOutput: true)
    }

    /// Checks one of many files that the command writes and that are known to differ from each other.
    ///
    /// - Throws: `FileConflict`, as `writes`.
    public func check(writing path: FilePath, as option: String) throws(FileConflict) {
        guard let key = Key(path, stream: STDOUT_FILENO) else { return }
        let claim = Claim(option: option, path: path, isOutput: true)
        if let read = reads[key] { throw .overwritesInput(output: claim, input: read) }
        if let write = writes[key] { throw .sameOutput(claim, write) }
    }

    /// What tells files from each other.
    private enum Key: Hashable {
        case file(FileStatus.Identity)
        /// What is not there yet.
        case name(folder: FileStatus.Identity, [UInt8])
        /// What is in a folder that is not there yet either.
        case path(FilePath)
        /// A terminal or a pipe.
        case standardOutput

        /// Nil for a device, and for standard input that is no file.
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

/// A command would write a file that it needs otherwise.
public enum FileConflict: Error, Equatable, CustomStringConvertible {
    /// An output is an input.
    case overwritesInput(output: FileClaims.Claim, input: FileClaims.Claim)
    /// Two outputs are one file.
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
