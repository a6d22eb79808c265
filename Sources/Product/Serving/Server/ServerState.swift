// SPDX-License-Identifier: Apache-2.0
import Foundation
import Generation
import Hummingbird
import Synchronization
import TrimLLaVA

/// What the handlers of a server share.
final class ServerState: Sendable {
    /// Whether requests are taken.
    enum Readiness: Sendable {
        /// The model is being loaded; the part that is done, 0 to 1.
        case loading(Double)
        case ready(ServedModel)
        /// Those that were taken are answered.
        case draining(ServedModel?)
    }

    let options: ServingOptions
    let connections = Connections()
    let metrics = Metrics()
    let bytesInFlight: BytesInFlight
    private let readiness = Mutex(Readiness.loading(0))

    init(_ options: ServingOptions) {
        self.options = options
        bytesInFlight = BytesInFlight(limit: options.limits.bytesInFlight)
    }

    var current: Readiness { readiness.withLock { $0 } }

    /// The part of the model that is loaded.
    func note(loaded: Double) {
        readiness.withLock { if case .loading = $0 { $0 = .loading(loaded) } }
    }

    /// The model is loaded; false when the server is to end.
    func note(ready model: ServedModel) -> Bool {
        readiness.withLock { readiness in
            guard case .loading = readiness else { return false }
            readiness = .ready(model)
            return true
        }
    }

    /// The server is to end; the model, if there is one, still answers.
    func noteDraining() -> ServedModel? {
        readiness.withLock { readiness in
            let model: ServedModel? =
                switch readiness {
                case .loading: nil
                case .ready(let model): model
                case .draining(let model): model
                }
            readiness = .draining(model)
            return model
        }
    }

    /// The model that answers.
    ///
    /// - Throws: `APIError` of status 503 before it is loaded, and when the server is to end.
    func model() throws(APIError) -> ServedModel {
        switch current {
        case .loading: throw .unavailable("Loading model")
        case .ready(let model): return model
        case .draining: throw .unavailable("the server is shutting down")
        }
    }

    /// The model, for a request whose answer takes a place in the queue.
    ///
    /// - Throws: `APIError` of status 503 or, where too many wait, 429.
    func modelWithRoom(for choices: Int = 1) throws(APIError) -> ServedModel {
        let model = try model()
        let queued = model.engine.status.queued
        guard queued + choices <= max(model.mostQueued, choices) else {
            throw .busy(
                "\(queued) requests are waiting already", retryAfter: secondsToWait(model, queued))
        }
        return model
    }

    /// About how long it takes until one of those who wait has left the queue.
    private func secondsToWait(_ model: ServedModel, _ queued: Int) -> Int {
        Int((metrics.averageSeconds * Double(queued) / Double(model.parallel)).rounded(.up))
    }

    /// How busy it is.
    var status: ServerStatus {
        var status = ServerStatus()
        status.connections = connections.count
        status.bytesInFlight = bytesInFlight.count
        if case .ready(let model) = current {
            status.isReady = true
            let engine = model.engine.status
            (status.queued, status.active) = (engine.queued, engine.active)
            (status.takenPages, status.allPages) = (engine.takenPages, engine.allPages)
        }
        return status
    }

    /// What reads the pictures of requests.
    var pictures: PictureReader {
        PictureReader(limits: options.limits, mediaFolder: options.mediaFolder)
    }
}
