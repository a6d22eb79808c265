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

/// The connections that are open, and which of them wait for a request.
final class Connections: Sendable {
    private struct State {
        var open: [ObjectIdentifier: Connection] = [:]
        var idle = IdleChannels()
    }

    private let state = Mutex(State())

    /// How many there are.
    var count: Int { state.withLock(\.open.count) }

    /// A new connection on a channel; it waits for its first request.
    func add(_ channel: any Channel) -> Connection {
        let connection = Connection()
        state.withLock { state in
            state.open[ObjectIdentifier(channel)] = connection
            state.idle.append(channel)
        }
        return connection
    }

    /// The connection on a channel; nil once it is closed.
    func connection(on channel: any Channel) -> Connection? {
        state.withLock { $0.open[ObjectIdentifier(channel)] }
    }

    /// A request has come on a channel.
    func noteRequest(on channel: any Channel) { state.withLock { $0.idle.remove(channel) } }

    /// All requests on a channel are answered.
    func noteAnswered(_ channel: any Channel) { state.withLock { $0.idle.append(channel) } }

    /// Takes out the channel that has waited longest for a request.
    func takeLongestIdle() -> (any Channel)? { state.withLock { $0.idle.removeFirst() } }

    /// A channel is closed.
    func remove(_ channel: any Channel) {
        state.withLock { state in
            state.open[ObjectIdentifier(channel)] = nil
            state.idle.remove(channel)
        }
    }
}

/// Channels without a request, in the order in which they became so.
private struct IdleChannels {
    private var turns: [ObjectIdentifier: Int] = [:]
    /// Channels by turn; an entry whose turn is not the channel's own is out of date.
    private var queue: [(turn: Int, channel: any Channel)] = []
    private var first = 0
    private var nextTurn = 0

    mutating func append(_ channel: any Channel) {
        turns[ObjectIdentifier(channel)] = nextTurn
        queue.append((nextTurn, channel))
        nextTurn += 1
        if queue.count > 2 * turns.count + 64 { dropOutdated() }
    }

    mutating func remove(_ channel: any Channel) { turns[ObjectIdentifier(channel)] = nil }

    mutating func removeFirst() -> (any Channel)? {
        while first < queue.count {
            let entry = queue[first]
            first += 1
            guard turns[ObjectIdentifier(entry.channel)] == entry.turn else { continue }
            remove(entry.channel)
            return entry.channel
        }
        return nil
    }

    private mutating func dropOutdated() {
        queue = queue[first...].filter { turns[ObjectIdentifier($0.channel)] == $0.turn }
        first = 0
    }
}
