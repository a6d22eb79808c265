// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import FileOutput
import Foundation
import NIOCore

/// Fetches one file into the cache: continues what an earlier try left, and checks the whole.
struct FileDownload {
    let server: HubServer
    let cache: HubCache
    let repository: HubRepository
    let commit: String
    let details: HubServer.FileDetails
    let file: PulledFile
    let retries: RetryPolicy
    let onProgress: @Sendable (PullProgress) -> Void

    /// The time between two looks at a lock that another process has.
    private static let lockInterval = Duration.milliseconds(200)

    private var blob: FilePath { FilePath(cache.blob(details.name, of: repository)) }
    private var incomplete: FilePath { blob.adding(".incomplete") }

    /// Whether the content is in the cache.
    var isCached: Bool {
        FileStatus(blob).map { $0.kind == .file && $0.version.size == details.size } ?? false
    }

    /// Bytes that are still to come.
    var missingBytes: Int {
        isCached ? 0 : max(0, details.size - (FileStatus(incomplete)?.version.size ?? 0))
    }

    /// Fetches the content unless it is there.
    func run() async throws {
        guard !isCached else { return onProgress(.finished(file, isNew: false)) }
        let lock = try await locked()
        defer { closeUnlocked(lock) }
        // The process that had the lock may have fetched it.
        guard !isCached else { return onProgress(.finished(file, isNew: false)) }
        let output = try written { () throws(FileOutputError) in
            try ResumableFile(incomplete, makesFolders: true)
        }
        try await fill(output)
        try written { () throws(FileOutputError) in try output.finish(as: blob) }
        onProgress(.finished(file, isNew: true))
    }

    /// Locks the content as the Python client does, after another process has fetched it.
    private func locked() async throws -> Int32 {
        let path = FilePath(cache.lock(details.name, of: repository))
        try written { () throws(FileOutputError) in try OutputFolder.make(path.folder) }
        while true {
            do {
                return try LockedOutput.opened(path)
            } catch LockedOutput.Failure.unwritable(let error) {
                throw ModelStoreError.file(error)
            } catch {
                onProgress(.waiting(file))
                try await Task.sleep(for: Self.lockInterval)
            }
        }
    }

    /// Fetches until the file is complete and right.
    ///
    /// What an earlier try left may be wrong, so a wrong file is fetched once more from its beginning.
    private func fill(_ output: ResumableFile) async throws {
        let isContinued = output.count > 0
        do {
            try await fillOnce(output)
        } catch let error as ModelStoreError {
            guard case .damaged = error else { throw error }
            guard isContinued else {
                output.remove()
                throw error
            }
            try written { () throws(FileOutputError) in try output.clear() }
            do { try await fillOnce(output) } catch let error as ModelStoreError {
                if case .damaged = error { output.remove() }
                throw error
            }
        }
    }

    private func fillOnce(_ output: ResumableFile) async throws {
        if output.count > details.size {
            try written { () throws(FileOutputError) in try output.clear() }
        }
        var hash = try hashed(output)
        var (failed, most) = (0, output.count)
        while output.count < details.size {
            do {
                try await receive(output, &hash)
                guard output.count < details.size else { break }
                throw DownloadFault(
                    reason: "the server's answer ended early",
                    server: WebClient.server(of: server.endpoint))
            } catch let fault as DownloadFault {
                failed = output.count > most ? 1 : failed + 1
                most = max(most, output.count)
                guard let seconds = retries.wait(after: fault, failed: failed) else {
                    throw ModelStoreError.interrupted(
                        file: file.path, have: output.count, size: details.size,
                        reason: fault.reason)
                }
                onProgress(.retrying(file, reason: fault.reason, seconds: seconds))
                try await Task.sleep(for: .seconds(seconds))
            }
        }
        if let difference = hash.difference {
            throw ModelStoreError.damaged(
                file: file.path, expected: difference.expected, found: difference.found)
        }
    }

    /// The hash of what is there.
    private func hashed(_ output: ResumableFile) throws(ModelStoreError) -> RunningHash {
        var hash = RunningHash(details.check, size: details.size)
        var done = 0
        try written { () throws(FileOutputError) in
            try output.read { bytes in
                hash.add(bytes)
                done += bytes.count
                onProgress(.checking(file, done: done))
            }
        }
        return hash
    }

    /// Adds what one answer brings.
    private func receive(_ output: ResumableFile, _ hash: inout RunningHash) async throws {
        let answer = try await server.content(
            of: file.path, in: repository, commit: commit, from: output.count)
        if try !continues(answer, at: output.count) {
            try written { () throws(FileOutputError) in try output.clear() }
            hash = RunningHash(details.check, size: details.size)
            if answer.status == 416 { return }
        }
        onProgress(.downloading(file, done: output.count))
        var pieces = answer.body.makeAsyncIterator()
        while let piece = try await next(&pieces) {
            guard piece.readableBytes <= details.size - output.count else {
                throw ModelStoreError.damaged(
                    file: file.path, expected: "\(details.size) bytes", found: "more")
            }
            try piece.withUnsafeReadableBytes { bytes in
                hash.add(bytes)
                try written { () throws(FileOutputError) in try output.append(bytes) }
            }
            onProgress(.downloading(file, done: output.count))
        }
    }

    private func next(
        _ pieces: inout HTTPClientResponse.Body.AsyncIterator
    ) async throws -> ByteBuffer? {
        do { return try await pieces.next() } catch {
            try Task.checkCancellation()
            throw DownloadFault(error, server: WebClient.server(of: server.endpoint))
        }
    }

    /// Whether an answer has the bytes from `first` on.
    ///
    /// A server may ignore the range and send the whole file, or say that it has no such bytes.
    private func continues(_ answer: WebClient.Answer, at first: Int) throws -> Bool {
        guard answer.status == 206 else { return first == 0 && answer.status != 416 }
        guard let range = answer["Content-Range"],
            let match = range.wholeMatch(of: /bytes ([0-9]+)-[0-9]+\/([0-9]+|\*)/),
            Int(match.1) == first, match.2 == "*" || Int(match.2) == details.size
        else {
            throw ModelStoreError.badAnswer(
                address: file.path,
                problem: "comes with the range '\(answer["Content-Range"] ?? "")', expected bytes "
                    + "\(first)- of \(details.size)")
        }
        return true
    }

    private func written<Result>(
        _ body: () throws(FileOutputError) -> Result
    ) throws(ModelStoreError) -> Result {
        do { return try body() } catch { throw .file(error) }
    }
}
