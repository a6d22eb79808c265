// SPDX-License-Identifier: Apache-2.0
import Crypto
import Foundation
import NIOHTTP1
import Synchronization

/// A stand-in for the Hub: one repository with large files, which a second server stores.
///
/// It speaks the addresses of huggingface.co: the listing of a branch, and files, whose addresses redirect to the
/// second server and announce size and hash.
public final class HubStandIn: Sendable {
    /// A request that came.
    public struct Request: Sendable {
        /// Whether it came to the second server.
        public let isStorage: Bool
        /// Such as `GET`.
        public let method: String
        /// The path, without its query.
        public let path: String
        /// The value of `Range`.
        public let range: String?
        /// The value of `Authorization`.
        public let authorization: String?
        /// How many requests came before it.
        public let number: Int

        /// The first byte that is asked for.
        public var first: Int {
            range.flatMap { $0.wholeMatch(of: /bytes=([0-9]+)-/) }.flatMap { Int($0.1) } ?? 0
        }
    }

    /// Changes the usual answer to a request.
    public typealias Rule = @Sendable (Request, Reply) -> Reply

    /// The repository.
    public static let repository = "acme/tiny-llava-gguf"
    /// The commit of its branch.
    public static let commit = "0123456789abcdef0123456789abcdef01234567"

    /// The files by their paths.
    public let files: [String: [UInt8]]
    private let recorded = Mutex<[Request]>([])
    private let rule: Mutex<Rule>
    private let listeners = Mutex<[HTTPListener]>([])
    private let ports = Mutex<(hub: Int, storage: Int)>((0, 0))

    /// Starts both servers.
    public init(
        _ files: [String: [UInt8]], rule: @escaping Rule = { $1 }
    ) async throws {
        self.files = files
        self.rule = Mutex(rule)
        let hub = try await HTTPListener { [weak self] in self?.reply($0, false) ?? Reply(500) }
        let storage = try await HTTPListener { [weak self] in self?.reply($0, true) ?? Reply(500) }
        ports.withLock { $0 = (hub.port, storage.port) }
        listeners.withLock { $0 = [hub, storage] }
    }

    /// Stops both servers.
    public func stop() async {
        for listener in listeners.withLock({ $0 }) { await listener.close() }
    }

    /// What `HF_ENDPOINT` must be.
    public var endpoint: String { "http://127.0.0.1:\(ports.withLock(\.hub))" }

    /// All requests so far.
    public var requests: [Request] { recorded.withLock { $0 } }

    /// Answers by another rule from now on, and forgets the requests.
    public func setRule(_ new: @escaping Rule) {
        rule.withLock { $0 = new }
        recorded.withLock { $0 = [] }
    }

    /// The SHA-256 of some bytes, in hexadecimal digits.
    public static func hash(of bytes: [UInt8]) -> String {
        SHA256.hash(data: bytes).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
            .joined()
    }

    private func reply(_ head: HTTPRequestHead, _ isStorage: Bool) -> Reply {
        let path = String(head.uri.prefix { $0 != "?" }).removingPercentEncoding ?? ""
        let request = recorded.withLock { all in
            let request = Request(
                isStorage: isStorage, method: head.method.rawValue, path: path,
                range: head.headers.first(name: "Range"),
                authorization: head.headers.first(name: "Authorization"), number: all.count)
            all.append(request)
            return request
        }
        let usual = isStorage ? content(request) : description(request)
        return rule.withLock { $0 }(request, usual)
    }

    /// The Hub's answers: a listing, and redirects.
    private func description(_ request: Request) -> Reply {
        if request.path == "/api/models/\(Self.repository)/revision/main" {
            return listing
        }
        let start = "/\(Self.repository)/resolve/"
        guard request.path.hasPrefix(start) else { return Reply(404) }
        let rest = request.path.dropFirst(start.count)
        let path = rest.drop { $0 != "/" }.dropFirst()
        guard ["main", Self.commit].contains(String(rest.prefix { $0 != "/" })),
            let bytes = files[String(path)]
        else { return Reply(404, [("X-Error-Code", "EntryNotFound")]) }
        let hash = Self.hash(of: bytes)
        return Reply(
            302,
            [
                (
                    "Location",
                    "http://127.0.0.1:\(ports.withLock(\.storage))/blobs/\(hash)?signature=a%2Fb"
                ),
                ("X-Linked-ETag", "\"\(hash)\""), ("X-Linked-Size", "\(bytes.count)"),
                ("X-Repo-Commit", Self.commit), ("ETag", "\"of-the-redirect\""),
            ])
    }

    private var listing: Reply {
        let siblings = files.sorted { $0.key < $1.key }
            .map { "{\"rfilename\":\"\($0.key)\",\"size\":\($0.value.count)}" }
        let text = "{\"sha\":\"\(Self.commit)\",\"siblings\":[\(siblings.joined(separator: ","))]}"
        return Reply(200, [("Content-Type", "application/json")], body: Array(text.utf8))
    }

    /// The second server's answers: bytes.
    private func content(_ request: Request) -> Reply {
        let hash = request.path.split(separator: "/").last ?? ""
        guard let bytes = files.values.first(where: { Self.hash(of: $0) == hash }) else {
            return Reply(404)
        }
        guard request.range != nil else { return Reply(200, body: bytes) }
        guard request.first < bytes.count else {
            return Reply(416, [("Content-Range", "bytes */\(bytes.count)")])
        }
        return Reply(
            206,
            [("Content-Range", "bytes \(request.first)-\(bytes.count - 1)/\(bytes.count)")],
            body: Array(bytes[request.first...]))
    }
}
