// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Watches one connection: cuts clients that are too slow, tells requests that theirs has left, and answers
/// `Expect: 100-continue`.
///
/// It belongs to the channel's event loop.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler, @unchecked Sendable {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let limits: ServingLimits
    private let connections: Connections
    private var connection: Connection?
    /// Ends the connection where the client does not do its part in time.
    private var deadline: Scheduled<Void>?
    /// Ends the connection where the client does not take what was written.
    private var stall: Scheduled<Void>?
    /// Requests whose answers are not written.
    private var unanswered = 0
    private var isReadingBody = false
    /// Whether the request was answered before its body had come.
    private var endsAfterBody = false

    /// Seconds in which a client may go on with a body that nobody reads; it would not see the answer otherwise.
    private static let lingerSeconds = 5

    init(_ limits: ServingLimits, _ connections: Connections) {
        self.limits = limits
        self.connections = connections
    }

    // MARK: The connection

    func handlerAdded(context: ChannelHandlerContext) {
        connection = connections.add(context.channel)
        schedule(context, within: limits.headSeconds)
    }

    func handlerRemoved(context: ChannelHandlerContext) { end(context) }

    func channelInactive(context: ChannelHandlerContext) {
        end(context)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A client that has closed its side takes no answer any more, or is treated so.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { connection?.leave() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is IOError || error is ChannelError { connection?.leave() }
        context.fireErrorCaught(error)
    }

    private func end(_ context: ChannelHandlerContext) {
        deadline?.cancel()
        stall?.cancel()
        connection?.leave()
        connections.remove(context.channel)
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            unanswered += 1
            let length = head.headerFields[.contentLength].flatMap { Int($0) } ?? 0
            schedule(
                context, within: limits.bodySeconds + length / limits.slowestBytesPerSecond)
            isReadingBody = true
            answerExpectation(of: head, length: length, context)
        case .body: break
        case .end:
            isReadingBody = false
            deadline?.cancel()
            if endsAfterBody { context.close(promise: nil) }
        }
        context.fireChannelRead(data)
    }

    /// Asks a client that waits for leave to send a body for it, unless the body is too large.
    private func answerExpectation(
        of head: HTTPRequest, length: Int, _ context: ChannelHandlerContext
    ) {
        guard head.headerFields[.expect]?.lowercased() == "100-continue",
            length <= limits.bodyBytes
        else { return }
        context.writeAndFlush(
            wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }

    // MARK: Answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .end = unwrapOutboundIn(data) else {
            return context.write(data, promise: promise)
        }
        unanswered -= 1
        let written = promise ?? context.eventLoop.makePromise(of: Void.self)
        expectProgress(context)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in
            let (handler, context) = bound.value
            handler.stall?.cancel()
            guard handler.unanswered == 0, context.channel.isActive else { return }
            handler.endsAfterBody = handler.isReadingBody
            handler.schedule(
                context,
                within: handler.isReadingBody
                    ? Self.lingerSeconds : handler.limits.idleSeconds)
        }
        context.write(data, promise: written)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            stall?.cancel()
        } else {
            expectProgress(context)
        }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Deadlines

    private func schedule(_ context: ChannelHandlerContext, within seconds: Int) {
        deadline?.cancel()
        deadline = close(context, after: seconds)
    }

    private func expectProgress(_ context: ChannelHandlerContext) {
        stall?.cancel()
        stall = close(context, after: limits.stallSeconds)
    }

    private func close(_ context: ChannelHandlerContext, after seconds: Int) -> Scheduled<Void> {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        return context.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) {
            bound.value.close(promise: nil)
        }
    }
}
