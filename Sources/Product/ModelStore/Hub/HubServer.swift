// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import NIOHTTP1

/// The Hub, or a server with the same addresses: what a repository has, and its files' bytes.
///
/// https://huggingface.co/docs/hub/api
struct HubServer: Sendable {
    /// A commit and its files.
    struct Listing: Sendable, Equatable {
        let commit: String
        let files: [RepositoryFile]
    }

    /// What the server says of a file before it sends it.
    struct FileDetails: Sendable, Equatable {
        /// What the cache calls the content: its hash where the server has one.
        let name: String
        let size: Int

        /// How the content can be checked.
        var check: ContentCheck { ContentCheck(name) }
    }

    /// The longest listing that is read.
    private static let longestListing = 64 << 20
    private static let linkedHash = "X-Linked-ETag"
    private static let linkedSize = "X-Linked-Size"

    let endpoint: URL
    let hasToken: Bool
    let client: WebClient

    /// The files of the branch that is fetched, and its commit.
    func listing(of repository: HubRepository) async throws -> Listing {
        let url = address(
            "api/models/\(repository)/revision/\(HubCache.branch)", query: "blobs=true")
        let answer = try await client.ask(.GET, url)
        try check(answer, url, repository, file: nil)
        let bytes: ByteBuffer
        do { bytes = try await answer.body.collect(upTo: Self.longestListing) } catch {
            throw DownloadFault(error, server: WebClient.server(of: url))
        }
        guard let listing = Listing(answer: Data(bytes.readableBytesView)) else {
            throw ModelStoreError.badAnswer(
                address: url.absoluteString,
                problem: "is not a listing of the Hub, expected JSON with 'sha' and 'siblings'")
        }
        return listing
    }

    /// What the server says of a file.
    func details(
        of file: String, in repository: HubRepository, commit: String
    ) async throws -> FileDetails {
        let url = address(of: file, in: repository, commit)
        let answer = try await client.ask(.HEAD, url) { answer, leadsAway in
            leadsAway || answer[Self.linkedHash] != nil
        }
        if !(300..<400).contains(answer.status) {
            try check(answer, url, repository, file: file)
        }
        let tag = answer[Self.linkedHash] ?? answer["ETag"]
        let size = (answer[Self.linkedSize] ?? answer["Content-Length"]).flatMap { Int($0) }
        guard let name = tag.flatMap(Self.plainTag), let size, size >= 0 else {
            throw ModelStoreError.badAnswer(
                address: url.absoluteString,
                problem:
                    "has neither \(Self.linkedHash) and \(Self.linkedSize) nor ETag and Content-Length"
            )
        }
        return FileDetails(name: name, size: size)
    }

    /// A tag without quotes and the mark of a weak one; nil if it cannot name a file.
    private static func plainTag(_ tag: String) -> String? {
        let plain = (tag.hasPrefix("W/") ? tag.dropFirst(2) : tag[...]).filter { $0 != "\"" }
        let isName = plain.wholeMatch(of: /[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}/) != nil
        return isName ? String(plain) : nil
    }

    /// The bytes of a file, from some place on.
    func content(
        of file: String, in repository: HubRepository, commit: String, from first: Int
    ) async throws -> WebClient.Answer {
        let url = address(of: file, in: repository, commit)
        let answer = try await client.ask(
            .GET, url, from: first == 0 ? nil : first)
        if answer.status != 416 { try check(answer, url, repository, file: file) }
        return answer
    }

    private func address(of file: String, in repository: HubRepository, _ commit: String) -> URL {
        address("\(repository)/resolve/\(commit)/\(file)")
    }

    private func address(_ path: String, query: String? = nil) -> URL {
        let url = path.split(separator: "/").reduce(endpoint) { $0.appending(component: $1) }
        guard let query, var parts = URLComponents(url: url, resolvingAgainstBaseURL: false) else {
            return url
        }
        parts.percentEncodedQuery = query
        return parts.url ?? url
    }

    /// Refuses answers without content.
    private func check(
        _ answer: WebClient.Answer, _ url: URL, _ repository: HubRepository, file: String?
    ) throws {
        guard !(200..<300).contains(answer.status) else { return }
        if let fault = DownloadFault(
            status: answer.status, retryAfter: answer["Retry-After"],
            server: WebClient.server(of: url))
        {
            throw fault
        }
        let isHub = WebClient.server(of: answer.url) == WebClient.server(of: endpoint)
        switch answer.status {
        case 401 where !isHub, 403 where !isHub:
            // The address that the Hub redirects to is good for some time; each try gets a new one.
            throw DownloadFault(
                reason: "the storage refuses the address (\(answer.status))",
                server: WebClient.server(of: answer.url))
        case 401, 403:
            throw ModelStoreError.accessRefused(
                repository: "\(repository)", status: answer.status, hasToken: hasToken)
        case 404: throw ModelStoreError.notFound(repository: "\(repository)", file: file)
        default:
            throw ModelStoreError.badAnswer(
                address: url.absoluteString, problem: "answers \(answer.status)")
        }
    }
}

extension HubServer.Listing {
    private struct Content: Decodable {
        struct File: Decodable {
            let rfilename: String
            let size: Int?
        }
        let sha: String
        let siblings: [File]
    }

    /// Reads the Hub's answer; nil if it is none.
    ///
    /// Files that would lie outside the repository are left out.
    init?(answer: Data) {
        guard let content = try? JSONDecoder().decode(Content.self, from: answer),
            content.sha.wholeMatch(of: /[0-9a-f]{40,64}/) != nil
        else { return nil }
        commit = content.sha
        files = content.siblings.filter { Self.isInside($0.rfilename) }
            .map { RepositoryFile(path: $0.rfilename, size: $0.size) }
    }

    /// Whether a path stays below the folder that it is appended to.
    private static func isInside(_ path: String) -> Bool {
        !path.isEmpty && !path.contains("\0")
            && path.split(separator: "/", omittingEmptySubsequences: false)
                .allSatisfy { !["", ".", ".."].contains($0) }
    }
}
