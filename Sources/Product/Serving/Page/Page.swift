// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird
import TrimLLaVA

/// `GET /`: the page for browsers, which is one file.
struct Page: Sendable {
    private let content: ByteBuffer
    private let tag: String
    private let policy: String

    init(_ html: [UInt8] = PackageResources.index_html) {
        content = ByteBuffer(bytes: html)
        tag = "\"\(ContentHash.text(of: String(decoding: html, as: UTF8.self)).prefix(32))\""
        policy = Self.policy(String(decoding: html, as: UTF8.self))
    }

    func answer(_ request: Request, _ context: ServerContext) -> Response {
        let headers: HTTPFields = [
            .contentType: "text/html; charset=utf-8", .cacheControl: "no-cache",
            .contentSecurityPolicy: policy, .referrerPolicy: "no-referrer", .eTag: tag,
        ]
        if request.headers[.ifNoneMatch]?.contains(tag) == true {
            return Response(status: .notModified, headers: headers)
        }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: content))
    }

    /// What the page may do: run its own script, which is known by its hash, and talk to this server.
    static func policy(_ html: String) -> String {
        func sources(_ element: String) -> String {
            let hashes = blocks(element, in: html).map { block in
                "'sha256-\(Data(ContentHash.bytes(of: Array(block.utf8))).base64EncodedString())'"
            }
            return hashes.isEmpty ? "'none'" : hashes.joined(separator: " ")
        }
        return """
            default-src 'none'; img-src 'self' data: blob:; connect-src 'self'; \
            script-src \(sources("script")); style-src \(sources("style")); \
            base-uri 'none'; form-action 'none'; frame-ancestors 'none'
            """
    }

    /// The contents of the elements of a name, whose tags have no attributes.
    private static func blocks(_ element: String, in html: String) -> [String] {
        html.components(separatedBy: "<\(element)>").dropFirst().map { rest in
            rest.components(separatedBy: "</\(element)>")[0]
        }
    }
}
