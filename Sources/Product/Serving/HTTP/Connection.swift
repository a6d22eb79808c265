// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// A client's connection, as the requests on it see it.
final class Connection: Sendable {
    private struct State {
        var isGone = false
        var nextID = 0
        var watchers: [Int: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())

    /// Whether the client has left.
    var isGone: Bool { state.withLock(\.isGone) }

    /// Calls `body` once when the client leaves, at once if it has left; until `forget`.
    func onGone(_ body: @escaping @Sendable () -> Void) -> Int {
        let id = state.withLock { state -> Int? in
            guard !state.isGone else { return nil }
            defer { state.nextID += 1 }
            state.watchers[state.nextID] = body
            return state.nextID
        }
        guard let id else {
            body()
            return -1
        }
        return id
    }

    /// Calls a watcher no more.
    func forget(_ id: Int) { state.withLock { $0.watchers[id] = nil } }

    /// The client has left.
    func leave() {
        let watchers = state.withLock { state in
            state.isGone = true
            defer { state.watchers = [:] }
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher() }
    }
}

/// The connections that are open.
final class Connections: Sendable {
    private let open = Mutex<[ObjectIdentifier: Connection]>([:])

    /// How many there are.
    var count: Int { open.withLock(\.count) }

    /// A new connection on a channel.
    func add(_ channel: any Channel) -> Connection {
        let connection = Connection()
        open.withLock { $0[ObjectIdentifier(channel)] = connection }
        return connection
    }

    /// The connection on a channel; nil once it is closed.
    func connection(on channel: any Channel) -> Connection? {
        open.withLock { $0[ObjectIdentifier(channel)] }
    }

    /// A channel is closed.
    func remove(_ channel: any Channel) {
        open.withLock { $0[ObjectIdentifier(channel)] = nil }
    }
}
