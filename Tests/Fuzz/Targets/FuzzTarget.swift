// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A parser, and how hostile bytes reach it.
///
/// A target accepts bytes or throws an error with a message. A trap, a wrong memory access and a broken promise, such as
/// a text that does not come back from its tokens, end the process, which libFuzzer reports with the bytes.
struct FuzzTarget: Sendable {
    let name: String
    private let read: @Sendable ([UInt8]) throws -> Void

    init(_ name: String, _ read: @escaping @Sendable ([UInt8]) throws -> Void) {
        self.name = name
        self.read = read
    }

    /// All targets.
    static let all = [
        ggufFile, blocks, tokens, conversation, userText, picture, archive, captionRecord,
        captionInputs, questions, publishedSet, answers, packCache, requestHead, requestBody,
        dataURL,
        ollamaManifest, hubAnswer, options, commandLine,
    ]

    /// The one that the environment names; there is one.
    static let chosen: FuzzTarget = {
        let name = ProcessInfo.processInfo.environment["TRIMLLAVA_FUZZ_TARGET"]
        guard let target = all.first(where: { $0.name == name }) else {
            preconditionFailure("no target \(name ?? "")")
        }
        return target
    }()

    /// Reads the bytes, and the message of the error that they cause.
    func run(_ bytes: [UInt8]) {
        do {
            try read(bytes)
        } catch {
            precondition(!"\(error)".isEmpty, "an error without a message")
        }
    }
}

/// A file that holds the bytes of the execution, for parsers that open a path.
struct FuzzFile: Sendable {
    let path: String
    private let descriptor: Int32

    /// A file that exists already.
    init(at path: String) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CLOEXEC)
        precondition(descriptor >= 0, path)
    }

    /// A file without a name, which goes with the process; in memory where the system has a folder for that, because a
    /// disk's file system takes longer than most parsers.
    init() {
        let memory = URL(filePath: "/dev/shm", directoryHint: .isDirectory)
        let isThere = access(memory.path, W_OK) == 0
        let folder = isThere ? memory : FileManager.default.temporaryDirectory
        let name = folder.appending(component: UUID().uuidString).path
        descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        precondition(descriptor >= 0 && unlink(name) == 0, name)
        path = "/proc/self/fd/\(descriptor)"
    }

    /// The path of the file, which holds the bytes.
    func holding(_ bytes: [UInt8]) -> String {
        precondition(
            ftruncate(descriptor, 0) == 0
                && pwrite(descriptor, bytes, bytes.count, 0) == bytes.count)
        return path
    }
}
