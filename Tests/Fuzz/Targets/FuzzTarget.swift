// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

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
        ggufFile, splitFile, blocks, tokens, conversation, userText, picture, archive,
        captionRecord, captionInputs, questions, publishedSet, answers, packCache, requestHead,
        requestBody, dataURL, ollamaManifest, hubAnswer, options, commandLine,
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
    /// In memory where the system has a folder for that, because a disk's file system takes longer than most parsers.
    static let folder = {
        let memory = URL(filePath: "/dev/shm", directoryHint: .isDirectory)
        let isThere = access(memory.path, W_OK) == 0
        return isThere ? memory : FileManager.default.temporaryDirectory
    }()

    let path: String
    private let descriptor: Int32

    /// A file that exists already.
    init(at path: String) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CLOEXEC)
        precondition(descriptor >= 0, path)
    }

    /// A file without a name, which goes with the process.
    init() {
        let name = Self.folder.appending(component: UUID().uuidString).path
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

/// A folder in memory where the system has one, which is deleted when the process exits.
struct FuzzFolder: Sendable {
    /// Folders that are deleted at the end.
    private static let folders = Mutex<[String]>([])

    let path: String

    init() {
        path = FuzzFile.folder.appending(component: "trimllava-fuzz-\(UUID().uuidString)").path
        precondition(mkdir(path, 0o700) == 0, path)
        let isFirst = Self.folders.withLock { folders in
            folders.append(path)
            return folders.count == 1
        }
        guard isFirst else { return }
        atexit {
            for folder in FuzzFolder.folders.withLock(\.self) {
                try? FileManager.default.removeItem(atPath: folder)
            }
        }
    }

    /// A new file in it.
    func file(_ name: String) -> FuzzFile {
        let file = "\(path)/\(name)"
        precondition(FileManager.default.createFile(atPath: file, contents: nil), file)
        return FuzzFile(at: file)
    }

    /// Another name of a file, in a subfolder if it has a slash.
    func link(_ name: String, to file: FuzzFile) {
        let link = URL(filePath: "\(path)/\(name)")
        let folder = link.deletingLastPathComponent().path
        mkdir(folder, 0o700)
        precondition(symlink(file.path, link.path) == 0, link.path)
    }
}
