// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1
import NIOPosix

/// What a server of the tests answers to a request.
public struct Reply: Sendable {
    /// How an answer ends.
    public enum Ending: Sendable, Equatable {
        case complete
        /// The connection is closed after so many bytes of the body.
        case cut(after: Int)
        /// Nothing more comes after so many bytes of the body.
        case stall(after: Int)
    }

    /// The status.
    public var status: Int
    /// The headers; the length of the body is added where it is not among them.
    public var headers: [(name: String, value: String)]
    /// The body.
    public var body: [UInt8]
    /// How much of it is sent.
    public var ending: Ending

    /// A whole answer, unless `ending` says otherwise.
    public init(
        _ status: Int, _ headers: [(String, String)] = [], body: [UInt8] = [],
        ending: Ending = .complete
    ) {
        (self.status, self.body, self.ending) = (status, body, ending)
        self.headers = headers.map { ($0.0, $0.1) }
    }

    fileprivate var sent: ArraySlice<UInt8> {
        switch ending {
        case .complete: body[...]
        case .cut(let count), .stall(let count): body.prefix(count)
        }
    }
}

/// An HTTP server on a free port of this machine.
final class HTTPListener: Sendable {
    private let channel: any Channel
    let port: Int

    init(_ answer: @escaping @Sendable (HTTPRequestHead) -> Reply) async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Exchange(answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    func close() async { try? await channel.close() }
}

/// Answers the requests of one connection.
private final class Exchange: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// The most bytes that are sent at once.
    private static let piece = 1 << 16

    private let answer: @Sendable (HTTPRequestHead) -> Reply
    private var head: HTTPRequestHead?

    init(_ answer: @escaping @Sendable (HTTPRequestHead) -> Reply) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            send(answer(head), to: head, context)
        }
    }

    private func send(_ reply: Reply, to request: HTTPRequestHead, _ context: ChannelHandlerContext)
    {
        var headers = HTTPHeaders(reply.headers.map { ($0.name, $0.value) })
        if !headers.contains(name: "Content-Length") {
            headers.add(name: "Content-Length", value: "\(reply.body.count)")
        }
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: reply.status),
            headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD {
            var rest = reply.sent
            while !rest.isEmpty {
                let piece = ByteBuffer(bytes: rest.prefix(Self.piece))
                context.write(wrapOutboundOut(.body(.byteBuffer(piece))), promise: nil)
                rest = rest.dropFirst(Self.piece)
            }
        }
        switch reply.ending {
        case .complete: context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        case .stall: context.flush()
        case .cut:
            let channel = context.channel
            let rest = wrapOutboundOut(.body(.byteBuffer(ByteBuffer())))
            context.writeAndFlush(rest).whenComplete { _ in channel.close(promise: nil) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
