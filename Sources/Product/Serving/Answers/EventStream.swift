// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import NIOCore

/// Writes an answer that comes in pieces, those that come together in one go.
struct EventStream {
    private var writer: any ResponseBodyWriter
    private let task: AnswerTask
    /// What is not written yet.
    private var unwritten = ByteBuffer()

    init(_ writer: any ResponseBodyWriter, _ task: AnswerTask) {
        (self.writer, self.task) = (writer, task)
    }

    /// An event with a document (WHATWG HTML, server-sent events).
    ///
    /// - Parameter name: the event's type; nil for the usual one.
    mutating func event(_ document: JSONValue, name: String? = nil) {
        event(document.line, name: name)
    }

    /// An event with a document that is one line of JSON already.
    mutating func event(_ line: some Sequence<UInt8>, name: String? = nil) {
        if let name { unwritten.writeString("event: \(name)\n") }
        unwritten.writeString("data: ")
        unwritten.writeBytes(line)
        unwritten.writeString("\n\n")
    }

    /// An event with a plain text.
    mutating func event(text: String) { unwritten.writeString("data: \(text)\n\n") }

    /// A line that clients ignore, unless they want to know.
    mutating func comment(_ document: JSONValue?) {
        unwritten.writeString(":")
        if let document {
            unwritten.writeString(" ")
            unwritten.writeBytes(document.line)
        }
        unwritten.writeString("\n\n")
    }

    /// A document on a line of its own.
    mutating func line(_ document: JSONValue) {
        unwritten.writeBytes(document.line)
        unwritten.writeString("\n")
    }

    /// Writes what has come.
    mutating func flush() async throws {
        guard unwritten.readableBytes > 0 else { return }
        let written = unwritten
        unwritten = ByteBuffer()
        task.noteWritten(written.readableBytes)
        try await writer.write(written)
    }

    /// Ends the answer.
    mutating func finish() async throws {
        try await flush()
        try await writer.finish(nil)
    }
}

extension Response {
    /// An answer that `body` writes as it comes; its head is sent at once.
    ///
    /// - Parameters:
    ///   - onError: tells the client what went wrong; the head can no longer.
    static func stream(
        _ task: AnswerTask, type: String,
        onError: @escaping @Sendable (APIError, inout EventStream) -> Void,
        body: @escaping @Sendable (inout EventStream) async throws -> Void
    ) -> Response {
        Response(
            status: .ok,
            headers: [
                .contentType: type, .cacheControl: "no-cache, no-transform", .accelBuffering: "no",
            ],
            body: ResponseBody { writer in
                // The connection's thread has to wake for each piece anyway; no other one need.
                try await withTaskExecutorPreference(LoopExecutor(task.loop)) {
                    var stream = EventStream(writer, task)
                    do {
                        try await body(&stream)
                    } catch let error as APIError {
                        task.noteLate(error)
                        onError(error, &stream)
                    }
                    try await stream.finish()
                }
            })
    }
}

/// Runs tasks on the thread of an event loop.
private final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

extension RunningAnswers.Item {
    /// Whether the answer failed.
    var isFailure: Bool { if case .failed = self { true } else { false } }

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
