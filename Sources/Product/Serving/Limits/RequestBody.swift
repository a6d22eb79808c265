// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird

extension ServerState {
    /// Reads the JSON document that a request carries.
    ///
    /// Its bytes count as in flight from their arrival until the request is over. What a client only announces
    /// takes no room from others.
    ///
    /// - Throws: `APIError`; with status 503, before the body is read, if no model is loaded.
    func fields(of request: Request, _ context: ServerContext) async throws -> JSONFields {
        _ = try model()
        return try JSONDocument.fields(try await body(of: request, context))
    }

    /// Memory that is taken for a body before it comes.
    private static let reservedBytes = 1 << 20

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
        let busy = APIError.busy("too many bytes of requests are in progress", retryAfter: 5)
        let announced = request.headers[.contentLength].flatMap { Int($0) } ?? 0
        guard announced <= limit else { throw tooLarge }
        guard bytesInFlight.hasRoom(for: announced) else { throw busy }
        var body = Data()
        body.reserveCapacity(min(announced, Self.reservedBytes))
        do {
            for try await part in request.body {
                guard body.count + part.readableBytes <= limit else { throw tooLarge }
                guard share.grow(by: part.readableBytes) else { throw busy }
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
