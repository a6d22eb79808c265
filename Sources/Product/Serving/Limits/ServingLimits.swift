// SPDX-License-Identifier: Apache-2.0

/// What clients may ask of a server.
public struct ServingLimits: Sendable {
    /// Bytes of a request's body.
    public var bodyBytes = 64 << 20
    /// Bytes of a request's head.
    public var headBytes = 16 << 10
    /// Fields of a request's head.
    public var headFields = 100
    /// Pictures of a request.
    public var pictures = 8
    /// Bytes of a picture's file.
    public var pictureBytes = 20 << 20
    /// Pixels of a picture.
    public var picturePixels = 50_000_000
    /// Requests that wait for their turn; nil for four times as many as are answered at once, at least 16.
    public var queued: Int?
    /// Bytes of all bodies and pictures that are on their way.
    public var bytesInFlight = 512 << 20
    /// Connections; beyond this number, those that wait for a request make room for new ones.
    public var connections = 1024
    /// Seconds for the first head of a connection.
    public var headSeconds = 10
    /// Seconds for a body, and one more for each `slowestBytesPerSecond` that have arrived.
    public var bodySeconds = 30
    /// The slowest that a body may come.
    public var slowestBytesPerSecond = 32 << 10
    /// Seconds between an answer and the next head.
    public var idleSeconds = 60
    /// Seconds in which a client must take what was written.
    public var stallSeconds = 60
    /// Seconds that a request may take; nil for any number.
    public var requestSeconds: Int?
    /// Seconds that live answers get when the server is to end.
    public var graceSeconds = 30
    /// Tokens of an answer where the request does not say.
    public var answerTokens = 512

    /// Seconds between two lines of the log about refused connections.
    var refusalLogSeconds = 10

    /// Connections beyond the limit, on which clients are told that there are too many.
    var spareConnections: Int { max(1, min(256, connections / 4)) }

    /// Lowers the number of connections to what this many file descriptors allow.
    public mutating func fit(descriptors: Int) {
        let available = descriptors - Self.otherDescriptors
        connections = min(connections, max(1, max(available - 256, available * 4 / 5)))
    }

    /// Descriptors of event loops, signals, files and so on.
    private static let otherDescriptors = 64

    /// The usual limits.
    public init() {}
}
