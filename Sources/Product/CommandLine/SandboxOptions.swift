// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Captioning
import FileOutput
import GGUF
import Sandboxing

/// A command that can give up the rights that it does not need.
protocol Sandboxed: ParsableCommand {
    var sandbox: SandboxOptions { get }
}

extension BenchCommand: Sandboxed {}
extension CaptionCommand: Sandboxed {}
extension EvalCommand: Sandboxed {}
extension InspectCommand: Sandboxed {}
extension PerplexityCommand: Sandboxed {}
extension PruneMapCommand: Sandboxed {}
extension RunCommand: Sandboxed {}
extension ServeCommand: Sandboxed {}

/// Whether the process gives up rights before it reads models and pictures.
struct SandboxOptions: ParsableArguments {
    @Flag(
        help: """
            Before models and pictures are read, give up all rights but to read them and to write where the outputs lie: no \
            other files, no connections, no programs. Linux only; refused where the kernel lacks Landlock or seccomp.
            """)
    var sandbox = false

    /// Refuses a sandbox that this system does not have.
    ///
    /// - Throws: `SandboxError`.
    func check() throws { if sandbox { try Sandbox.check() } }

    /// Closes the sandbox, if there is one.
    ///
    /// - Parameter allow: adds what the command needs.
    /// - Throws: `SandboxError`, and what `allow` throws.
    func close(_ allow: (inout SandboxRules) throws -> Void) throws {
        guard sandbox else { return }
        var rules = SandboxRules()
        try allow(&rules)
        try Sandbox.close(rules)
    }

    /// Closes the sandbox, if there is one, around the files that a command has claimed.
    ///
    /// - Parameter more: adds what was not claimed.
    func close(
        _ files: FileClaims, _ model: ModelOptions,
        more: (inout SandboxRules) throws -> Void = { _ in }
    ) throws {
        try close { rules in
            rules.read(model)
            rules.read(files.inputs)
            files.outputs.forEach { rules.write($0) }
            try more(&rules)
        }
    }
}

extension SandboxRules {
    /// More files than these are allowed by their folders: the kernel keeps rules for every thread.
    private static let mostFiles = 256

    fileprivate mutating func read(_ files: [FilePath]) {
        for file in files {
            if files.count <= Self.mostFiles { read(file) } else { read(folderOf: file) }
        }
    }

    /// Allows reading a model's files, and writing to the cache of its panels.
    mutating func read(_ model: ModelOptions) {
        for file in [model.model, model.mmproj].compactMap(\.self) { read(partsOf: file) }
        guard let packCache = model.packCache.map({ FilePath($0) }) else { return }
        // A cache that cannot be made is a warning, when it is used.
        try? OutputFolder.make(packCache)
        write(below: packCache)
    }

    /// Allows reading a GGUF file and, if it is split, its parts.
    mutating func read(partsOf file: String) {
        for part in GGUFFile.partPaths(of: file) { read(FilePath(part)) }
    }

    /// Allows reading what an input of `caption` stands for: a folder, an archive, the pictures around a picture, or the
    /// folders that a pattern is searched in.
    mutating func read(input: FilePath) {
        switch FileStatus(input)?.kind {
        case .folder: read(input)
        case nil: read(input.beforePattern)
        default: read(folderOf: input)
        }
    }

    /// Allows writing captions beside the pictures of an input.
    mutating func write(besideInput input: FilePath) {
        switch FileStatus(input)?.kind {
        case .folder: write(below: input)
        case nil: write(below: input.beforePattern)
        default: write(below: input.folder)
        }
    }
}

extension FilePath {
    /// The folder that a pattern's first special character is in; for other paths, their folder.
    fileprivate var beforePattern: FilePath {
        FilePath(bytes.prefix { !"*?[{".utf8.contains($0) }).folder
    }
}
