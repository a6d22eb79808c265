// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Generation
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import ServiceLifecycle
import Synchronization
import TrimLLaVA

/// An HTTP server for one model.
///
/// It listens at once and loads the model then. It ends when `stop` is called, or when the model cannot be loaded.
public final class LLaVAServer: Sendable {
    private struct State {
        var group: ServiceGroup?
        var isStopping = false
        var failure: (any Error)?
    }

    private let server: ServerState
    private let log: Logger
    private let load: @Sendable (@escaping @Sendable (Double) -> Void) throws(LLaVAError) -> LLaVA
    private let state = Mutex(State())

    /// A server that is not running.
    ///
    /// - Parameter load: loads the model, on a thread of its own; tells the part that is done.
    public init(
        _ options: ServingOptions, log: Logger,
        load: @escaping @Sendable (@escaping @Sendable (Double) -> Void) throws(LLaVAError) -> LLaVA
    ) {
        server = ServerState(options)
        self.log = log
        self.load = load
    }

    /// The one thread of all servers in a process.
    ///
    /// It never ends: what a connection leaves behind may still be handed to it when the server has stopped.
    private static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    /// Serves until `stop` is called.
    ///
    /// - Parameter onListening: called with the bound address, before the model is loaded.
    /// - Throws: `ServingError`, `LLaVAError` when the model cannot be loaded, what `onListening` throws.
    public func run(
        onListening: @escaping @Sendable (ListeningAddress) throws -> Void
    ) async throws {
        do {
            let app = try application(onListening)
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(services: [app], logger: quietLog))
            let isStopping = state.withLock { state in
                state.group = group
                return state.isStopping
            }
            if !isStopping { try await run(group) }
        } catch {
            throw ServingError(error, server.options.address)
        }
        if let failure = state.withLock(\.failure) { throw failure }
    }

    /// Takes no more requests, and ends when those that were taken are answered, or after the grace period.
    public func stop() {
        let group = state.withLock { state -> ServiceGroup? in
            guard !state.isStopping else { return nil }
            state.isStopping = true
            return state.group
        }
        let model = server.noteDraining()
        guard let group else { return }
        let grace = Duration.seconds(server.options.limits.graceSeconds)
        Task {
            await group.triggerGracefulShutdown()
            try? await Task.sleep(for: grace)
            // Answers end with what there is of them.
            await model?.engine.shutDown(draining: false)
        }
    }

    /// Seconds after the grace period in which clients take the ends of their answers.
    private static let lastSeconds = 5

    private func run(_ group: ServiceGroup) async throws {
        let running = Task { try await group.run() }
        let overtime = Task { [self] in
            while !state.withLock(\.isStopping) { try await Task.sleep(for: .milliseconds(200)) }
            try await Task.sleep(
                for: .seconds(server.options.limits.graceSeconds + Self.lastSeconds))
            running.cancel()
        }
        defer { overtime.cancel() }
        try await running.value
    }

    /// Hummingbird's own messages matter only where something is wrong.
    private var quietLog: Logger {
        var log = log
        log.logLevel = .warning
        return log
    }

    private func application(
        _ onListening: @escaping @Sendable (ListeningAddress) throws -> Void
    ) throws -> some ApplicationProtocol {
        let (options, limits) = (server.options, server.options.limits)
        let connections = server.connections
        let refusals = Refusals(log: log, metrics: server.metrics, limits: limits)
        var builder = HTTPServerBuilder.http1(
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [
                    ConnectionGuard(limits, connections, refusals)
                ],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headBytes, maxHeaderListSize: limits.headBytes,
                    maxHeaderFieldCount: limits.headFields)))
        if let certificate = options.certificate {
            builder = try .tls(builder, tlsConfiguration: certificate.configuration())
        }
        return Application(
            router: Routes.router(server, log: log), server: builder,
            configuration: ApplicationConfiguration(
                address: options.address.bindAddress, serverName: nil, backlog: 512,
                availableConnectionsDelegate: .maximum(
                    limits.connections + limits.spareConnections, logger: quietLog)),
            onServerRunning: { [self] channel in
                do {
                    try onListening(ListeningAddress(channel, options))
                    startLoading()
                } catch {
                    fail(error)
                }
            }, eventLoopGroupProvider: .shared(Self.loops), logger: quietLog)
    }

    private func startLoading() {
        DispatchQueue(label: "trimllava.serve.loading", qos: .userInitiated).async { [self] in
            do throws(LLaVAError) {
                let llava = try load { [server] done in server.note(loaded: done) }
                for warning in llava.warnings { log.warning("\(warning)") }
                let model = try ServedModel(llava, server.options)
                guard server.note(ready: model) else { return }
                log.info(
                    "ready",
                    metadata: [
                        "model": "\(model.id)", "parallel": "\(model.parallel)",
                        "context": "\(llava.context)",
                        "seconds": "\(OutputSchema.seconds(llava.loadSeconds))",
                    ])
            } catch {
                fail(error)
            }
        }
    }

    /// Ends the server with an error.
    private func fail(_ error: any Error) {
        state.withLock { $0.failure = error }
        stop()
    }
}
