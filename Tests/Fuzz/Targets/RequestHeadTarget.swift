// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

@testable import Serving

extension FuzzTarget {
    /// What a connection of the server that the first byte names reads: requests, through all that they pass on their
    /// way to the head of an answer.
    ///
    /// No status is 500 or more, and nothing of a request ends the head of its answer. Bodies have at most a few
    /// bytes, so that the model answers nothing; `request-body` is for bodies.
    static let requestHead = FuzzTarget("request-head") { bytes in
        guard let first = bytes.first else { return }
        let connection = try FuzzConnection(to: servers[Int(first) % servers.count])
        defer { connection.close() }
        try connection.answer(bytes.dropFirst())
    }

    private static let servers = [
        FuzzServer { _ in },
        FuzzServer { options in
            options.address = .host("0.0.0.0", port: 80)
            options.keys = ["key"]
            options.origins = ["http://a.b"]
        },
        FuzzServer { $0.origins = ["*"] },
    ]
}

/// A server that listens nowhere.
private struct FuzzServer: Sendable {
    let state: ServerState
    let responder: RouterResponder<ServerContext>
    let log = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }

    init(_ change: (inout ServingOptions) -> Void) {
        var options = ServingOptions()
        options.limits.bodyBytes = 8
        change(&options)
        state = ServerState(options)
        precondition(state.note(ready: FuzzTarget.served))
        responder = Routes.router(state, log: log).buildResponder()
    }
}

/// A connection whose bytes are read and written by hand.
private final class FuzzConnection {
    private let server: FuzzServer
    private let channel = EmbeddedChannel()

    /// A connection that reads as `HTTP1Channel` makes it.
    init(to server: FuzzServer) throws {
        self.server = server
        let (state, limits) = (server.state, server.state.options.limits)
        var decoding = NIOHTTPDecoderLimitConfiguration()
        decoding.maxHeaderFieldSize = limits.headBytes
        decoding.maxHeaderListSize = limits.headBytes
        decoding.maxHeaderFieldCount = limits.headFields
        let pipeline = channel.pipeline.syncOperations
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: false,
            withOutboundHeaderValidation: false, withEncoderConfiguration: .init(),
            withDecoderLimitConfiguration: decoding)
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        let refusals = Refusals(log: server.log, metrics: state.metrics, limits: limits)
        try pipeline.addHandler(ConnectionGuard(limits, state.connections, refusals))
    }

    /// Closes it, and forgets what was not read.
    func close() { _ = try? channel.finish(acceptAlreadyClosed: true) }

    /// Answers the requests that the bytes hold, one after the other.
    func answer(_ bytes: ArraySlice<UInt8>) throws {
        // What the bytes before a fault hold is answered, too.
        let fault = Result { try channel.writeInbound(ByteBuffer(bytes: bytes)) }
        var head: HTTPRequest?
        var body = ByteBuffer()
        while let part = try channel.readInbound(as: HTTPRequestPart.self) {
            switch part {
            case .head(let next): (head, body) = (next, ByteBuffer())
            case .body(var part): body.writeBuffer(&part)
            case .end:
                guard let head else { preconditionFailure("an end without a head") }
                try answer(Request(head: head, body: RequestBody(buffer: body)))
            }
        }
        _ = try fault.get()
    }

    private func answer(_ request: Request) throws {
        let source = ApplicationRequestContextSource(channel: channel, logger: server.log)
        let context = ServerContext(source: source)
        let response = try JobQueue.here.result { [responder = server.responder] in
            let response = try await responder.respond(to: request, context: context)
            try await response.body.write(DroppedBody())
            return response
        }
        precondition(response.status.code < 500, "\(response.status) to \(request.head)")
        while try channel.readOutbound(as: ByteBuffer.self) != nil {}
        try channel.writeOutbound(HTTPResponsePart.head(response.head))
        var written = ByteBuffer()
        while var part = try channel.readOutbound(as: ByteBuffer.self) {
            written.writeBuffer(&part)
        }
        let lines = String(buffer: written).components(separatedBy: "\r\n\r\n")
        precondition(lines.count == 2 && lines[1].isEmpty, "\(lines)")
        try channel.writeOutbound(HTTPResponsePart.end(nil))
    }
}

/// Takes a body, and keeps nothing of it.
private struct DroppedBody: ResponseBodyWriter {
    mutating func write(_ buffer: ByteBuffer) async throws {}
    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
