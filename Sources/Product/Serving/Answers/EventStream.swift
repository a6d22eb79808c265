// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import NIOCore

/// Writes an answer that comes in pieces.
struct EventStream {
    private var writer: any ResponseBodyWriter
    private let task: AnswerTask

    init(_ writer: any ResponseBodyWriter, _ task: AnswerTask) {
        (self.writer, self.task) = (writer, task)
    }

    /// An event with a document (WHATWG HTML, server-sent events).
    ///
    /// - Parameter name: the event's type; nil for the usual one.
    mutating func event(_ document: JSONValue, name: String? = nil) async throws {
        var buffer = ByteBuffer()
        if let name { buffer.writeString("event: \(name)\n") }
        buffer.writeString("data: ")
        buffer.writeBytes(document.line)
        buffer.writeString("\n\n")
        try await write(buffer)
    }

    /// An event with a plain text.
    mutating func event(text: String) async throws {
        try await write(ByteBuffer(string: "data: \(text)\n\n"))
    }

    /// A line that clients ignore, unless they want to know.
    mutating func comment(_ document: JSONValue?) async throws {
        var buffer = ByteBuffer(string: ":")
        if let document {
            buffer.writeString(" ")
            buffer.writeBytes(document.line)
        }
        buffer.writeString("\n\n")
        try await write(buffer)
    }

    /// A document on a line of its own.
    mutating func line(_ document: JSONValue) async throws {
        var buffer = ByteBuffer(bytes: document.line)
        buffer.writeString("\n")
        try await write(buffer)
    }

    private mutating func write(_ buffer: ByteBuffer) async throws {
        task.noteWritten(buffer.readableBytes)
        try await writer.write(buffer)
    }

    /// Ends the answer.
    func finish() async throws { try await writer.finish(nil) }
}

extension Response {
    /// An answer that `body` writes as it comes; its head is sent at once.
    ///
    /// - Parameters:
    ///   - onError: tells the client what went wrong; the head can no longer.
    static func stream(
        _ task: AnswerTask, type: String,
        onError: @escaping @Sendable (APIError, inout EventStream) async throws -> Void,
        body: @escaping @Sendable (inout EventStream) async throws -> Void
    ) -> Response {
        Response(
            status: .ok,
            headers: [
                .contentType: type, .cacheControl: "no-cache, no-transform", .accelBuffering: "no",
            ],
            body: ResponseBody { writer in
                var stream = EventStream(writer, task)
                do {
                    try await body(&stream)
                } catch let error as APIError {
                    task.noteLate(error)
                    try await onError(error, &stream)
                }
                try await stream.finish()
            })
    }
}

extension RunningAnswers.Item {
    /// What a client that wants to know is told of what happens before the first text.
    var comment: JSONValue? {
        guard case .event(_, let event) = self else { return nil }
        switch event {
        case .queued(let place): return ["queued": .integer(place)]
        case .encoding(let picture, let count, let done):
            return [
                "encoding": [
                    "picture": .integer(picture), "of": .integer(count), "done": .seconds(done),
                ]
            ]
        case .reading(let done): return ["reading": .seconds(done)]
        case .text, .finished: return nil
        }
    }
}
