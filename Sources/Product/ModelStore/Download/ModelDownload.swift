// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// Fetches the files of a model that are not in the cache.
struct ModelDownload {
    let model: HubModel
    let parts: PullParts
    let server: HubServer
    let cache: HubCache
    let retries: RetryPolicy
    let onProgress: @Sendable (PullProgress) -> Void

    /// What the Python client writes into the root of a cache, so that backups leave it out.
    private static let cacheTag = """
        Signature: 8a477f597d28d172789f06886806bc55
        # This file is a cache directory tag.

        """

    /// Fetches all files, and says then which commit the branch has.
    func run() async throws -> ModelFiles {
        let listing = try await retrying { try await server.listing(of: model.repository) }
        var choice = try FileChoice(model, among: listing.files)
        if parts == .text { choice.projector = nil }
        let files = choice.all
        if parts == .pair, choice.projector == nil {
            throw ModelStoreError.noProjector(name: "\(model)", place: "\(model.repository)")
        }
        var downloads: [FileDownload] = []
        for (index, file) in files.enumerated() {
            downloads.append(try await download(of: file, index, files.count, listing.commit))
        }
        try checkSpace(downloads)
        for download in downloads {
            try await download.run()
            try link(download)
        }
        try finish(listing.commit)
        return HubSnapshot(folder: cache.snapshot(listing.commit, of: model.repository))
            .files(of: model, choice)
    }

    private func download(
        of file: RepositoryFile, _ index: Int, _ count: Int, _ commit: String
    ) async throws -> FileDownload {
        let details = try await retrying {
            try await server.details(of: file.path, in: model.repository, commit: commit)
        }
        let pulled = PulledFile(
            path: file.path, size: details.size, number: index + 1, count: count)
        return FileDownload(
            server: server, cache: cache, repository: model.repository, commit: commit,
            details: details, file: pulled, retries: retries, onProgress: onProgress)
    }

    /// Sends a small request until it succeeds.
    ///
    /// A server that was never reached is not tried again: most often there is no network.
    private func retrying<Result>(_ body: () async throws -> Result) async throws -> Result {
        var failed = 0
        while true {
            do { return try await body() } catch let fault as DownloadFault {
                failed += 1
                guard !fault.isUnreachable, let seconds = retries.wait(after: fault, failed: failed)
                else {
                    throw ModelStoreError.unreachable(server: fault.server, reason: fault.reason)
                }
                onProgress(
                    .retrying(
                        PulledFile(path: "\(model.repository)", size: 0, number: 0, count: 0),
                        reason: fault.reason, seconds: seconds))
                try await Task.sleep(for: .seconds(seconds))
            }
        }
    }

    private func checkSpace(_ downloads: [FileDownload]) throws(ModelStoreError) {
        let needed = downloads.reduce(0) { $0 + $1.missingBytes }
        guard needed > 0, let available = FreeSpace.bytes(at: FilePath(cache.folder)),
            available < needed
        else { return }
        throw .noSpace(folder: cache.folder, needed: needed, available: available)
    }

    /// Gives a content the file's name in its commit.
    private func link(_ download: FileDownload) throws(ModelStoreError) {
        let path = download.file.path
        let snapshot = cache.snapshot(download.commit, of: model.repository)
        let link = FilePath("\(snapshot)/\(path)")
        let up = String(repeating: "../", count: 1 + path.split(separator: "/").count)
        // A file in place of the link comes from a file system without links.
        if !link.isLink, FileStatus(link)?.version.size == download.details.size { return }
        do {
            try OutputLink.make(
                link, to: FilePath("\(up)blobs/\(download.details.name)"), makesFolders: true)
        } catch { throw .file(error) }
    }

    private func finish(_ commit: String) throws(ModelStoreError) {
        let tag = FilePath("\(cache.folder)/CACHEDIR.TAG")
        do {
            try OutputFile.write(
                Array(commit.utf8), to: FilePath(cache.reference(of: model.repository)),
                makesFolders: true)
            if FileStatus(tag) == nil {
                try OutputFile.write(Array(Self.cacheTag.utf8), to: tag)
            }
        } catch { throw .file(error) }
    }
}
