// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird

extension ServerState {
    /// Reads the JSON document that a request carries.
    ///
    /// Its bytes count as in flight until the request is over.
    ///
    /// - Throws: `APIError`.
    func fields(of request: Request, _ context: ServerContext) async throws -> JSONFields {
        try JSONDocument.fields(try await body(of: request, context))
    }

    private func body(of request: Request, _ context: ServerContext) async throws -> Data {
        let limit = options.limits.bodyBytes
        let tooLarge = APIError.tooLarge(
            "the body is larger than \(limit) bytes, this server's limit")
        if let coding = request.headers[.contentEncoding], coding.lowercased() != "identity" {
            throw APIError.invalid(
                "bodies with the content coding \(coding.prefix(20)) are not read")
        }
        let share = bytesInFlight.share()
        context.exchange.hold(share)
        let busy = APIError.busy("the server has too many bytes in work", retryAfter: 5)
        var announced = 0
        if let length = request.headers[.contentLength].flatMap({ Int($0) }) {
            guard length <= limit else { throw tooLarge }
            guard share.grow(by: length) else { throw busy }
            announced = length
        }
        var body = Data()
        body.reserveCapacity(announced)
        do {
            for try await part in request.body {
                let more = body.count + part.readableBytes
                guard more <= limit else { throw tooLarge }
                if more > announced, !share.grow(by: part.readableBytes) { throw busy }
                body.append(contentsOf: part.readableBytesView)
            }
        } catch let error as APIError {
            throw error
        } catch {
            // The client has left; nobody reads this.
            throw APIError.invalid("the body ended before it was complete")
        }
        return body
    }
}
