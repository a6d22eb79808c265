// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Synchronization

/// A connection on which tests write and read bytes as they like.
final class RawConnection: Sendable {
    private let channel: any Channel
    private let received: AsyncStream<ByteBuffer>
    private let rest = Mutex(ByteBuffer())

    private init(_ channel: any Channel, _ received: AsyncStream<ByteBuffer>) {
        (self.channel, self.received) = (channel, received)
    }

    /// Connects to a port of this machine.
    ///
    /// - Parameter reads: whether it takes what the server writes.
    static func open(_ port: Int, reads: Bool = true) async throws -> RawConnection {
        let (received, passing) = AsyncStream.makeStream(of: ByteBuffer.self)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: reads)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Receiver(passing))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return RawConnection(channel, received)
    }

    /// Writes a text.
    func send(_ text: String) async throws { try await send(ByteBuffer(string: text)) }

    /// Writes bytes.
    func send(_ buffer: ByteBuffer) async throws { try await channel.writeAndFlush(buffer) }

    /// Leaves.
    func close() async throws { try await channel.close() }

    /// Leaves when the test is over, whatever became of it.
    func closeQuietly() { channel.close(promise: nil) }

    /// What has come, once it has; nil when the server has closed the connection.
    func next() async -> ByteBuffer? {
        let kept = rest.withLock { rest -> ByteBuffer? in
            guard rest.readableBytes > 0 else { return nil }
            defer { rest = ByteBuffer() }
            return rest
        }
        if let kept { return kept }
        var iterator = received.makeAsyncIterator()
        return await iterator.next()
    }

    /// Reads until what has come satisfies a condition, or the server closes the connection.
    ///
    /// - Returns: all that has come.
    func read(until isEnough: (String) -> Bool) async -> String {
        var text = ""
        while !isEnough(text), let more = await next() { text += String(buffer: more) }
        return text
    }

    /// Reads one answer to its end.
    func answer(toHead: Bool = false) async throws -> RawAnswer {
        var bytes = ByteBuffer()
        while true {
            if let (answer, length) = try RawAnswer.parse(bytes, toHead: toHead) {
                bytes.moveReaderIndex(forwardBy: length)
                rest.withLock { $0 = bytes }
                return answer
            }
            guard let more = await next() else {
                throw RawAnswer.Incomplete(text: String(buffer: bytes))
            }
            bytes.writeImmutableBuffer(more)
        }
    }
}

/// Passes on what a connection receives.
private final class Receiver: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let passing: AsyncStream<ByteBuffer>.Continuation

    init(_ passing: AsyncStream<ByteBuffer>.Continuation) { self.passing = passing }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        passing.yield(unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) { passing.finish() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
