// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Watches one connection: makes room for it, cuts clients that are too slow, tells requests that their client has
/// left, and answers `Expect: 100-continue`.
///
/// It belongs to the channel's event loop.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler, @unchecked Sendable {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let limits: ServingLimits
    private let connections: Connections
    private let refusals: Refusals
    private var connection: Connection?
    /// Ends the connection where the client does not do its part in time.
    private var deadline: Scheduled<Void>?
    /// Ends the connection where the client does not take what was written.
    private var stall: Scheduled<Void>?
    /// Requests whose answers are not written.
    private var unanswered = 0
    private var isReadingBody = false
    private var bodyBytes = 0
    /// Whether there were too many connections when this one came.
    private var isBeyondLimit = false
    /// Whether the rest of what arrives is dropped.
    private var isRefused = false
    /// Whether the request was answered before its body had come.
    private var endsAfterBody = false

    /// Seconds in which a client may go on with a body that nobody reads; it would not see the answer otherwise.
    private static let lingerSeconds = 5
    /// Seconds that a client beyond the limit has for its head.
    private static let secondsBeyondLimit = 2

    init(_ limits: ServingLimits, _ connections: Connections, _ refusals: Refusals) {
        self.limits = limits
        self.connections = connections
        self.refusals = refusals
    }

    // MARK: The connection

    func handlerAdded(context: ChannelHandlerContext) {
        makeRoom(context)
        connection = connections.add(context.channel)
        schedule(context, within: isBeyondLimit ? Self.secondsBeyondLimit : limits.headSeconds)
    }

    /// Closes the connection that has waited longest for a request, if the limit is reached.
    ///
    /// If none waits, this one is beyond the limit.
    private func makeRoom(_ context: ChannelHandlerContext) {
        guard connections.count >= limits.connections else { return }
        if let idle = connections.takeLongestIdle() {
            idle.close(promise: nil)
        } else {
            isBeyondLimit = true
        }
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
            connections.noteRequest(on: context.channel)
            isReadingBody = true
            expectBody(context)
            if isBeyondLimit, !Routes.ofSupervisors.contains(head.path ?? "") {
                return refuse(head, context)
            }
            unanswered += 1
            answerExpectation(of: head, context)
        case .body(let part): bodyBytes += part.readableBytes
        case .end:
            isReadingBody = false
            deadline?.cancel()
            if endsAfterBody { context.close(promise: nil) }
        }
        if !isRefused { context.fireChannelRead(data) }
    }

    /// Tells a client that there are too many connections.
    private func refuse(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
        isRefused = true
        refusals.note(on: context.eventLoop)
        let error = APIError.unavailable(
            "there are too many connections: \(limits.connections) have requests in progress")
        var response = error.response(Dialect(path: head.path ?? "/")).head
        response.headerFields[.connection] = "close"
        let body = ByteBuffer(bytes: error.body(Dialect(path: head.path ?? "/")).line)
        response.headerFields[.contentLength] = "\(body.readableBytes)"
        context.write(wrapOutboundOut(.head(response)), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        // The client sees the answer only if everything that it sends is read.
        endsAfterBody = true
        schedule(context, within: Self.lingerSeconds)
    }

    /// Asks a client that waits for leave to send a body for it, unless the body is too large.
    private func answerExpectation(
        of head: HTTPRequest, _ context: ChannelHandlerContext
    ) {
        let length = head.headerFields[.contentLength].flatMap { Int($0) } ?? 0
        guard head.headerFields[.expect]?.lowercased() == "100-continue",
            length <= limits.bodyBytes
        else { return }
        context.writeAndFlush(
            wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }

    // MARK: Answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head)
        where (isReadingBody || isBeyondLimit) && head.status.kind != .informational:
            // The client is not to send another request after a body that nobody reads, or where there is no room.
            head.headerFields[.connection] = "close"
            return context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .head, .body: return context.write(data, promise: promise)
        case .end: break
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
            if handler.isBeyondLimit, !handler.isReadingBody {
                return context.close(promise: nil)
            }
            handler.connections.noteAnswered(context.channel)
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

    /// Gives the client time for a body, and more time for what has arrived of it.
    private func expectBody(_ context: ChannelHandlerContext) {
        bodyBytes = 0
        checkBody(context, begun: .now(), after: limits.bodySeconds)
    }

    private func checkBody(
        _ context: ChannelHandlerContext, begun: NIODeadline, after seconds: Int
    ) {
        deadline?.cancel()
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) {
            let (handler, context) = bound.value
            let granted =
                handler.limits.bodySeconds + handler.bodyBytes
                / handler.limits.slowestBytesPerSecond
            let left = granted - Int((NIODeadline.now() - begun).nanoseconds / 1_000_000_000)
            guard left > 0 else { return context.close(promise: nil) }
            handler.checkBody(context, begun: begun, after: left)
        }
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
