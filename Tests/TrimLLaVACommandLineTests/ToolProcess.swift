// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import TestSupport
import Testing

/// The result of a run of the built `trimllava`.
struct Outcome {
    /// The bytes on standard output.
    let output: [UInt8]
    /// The text on standard error.
    let errors: String
    /// The exit code, or 128 plus the number of the signal that ended it.
    let code: Int32

    var text: String { String(decoding: output, as: UTF8.self) }
}

/// A running `trimllava` process.
final class ToolProcess {
    /// The path of the built executable, beside the tests' resources.
    static let path: String = {
        var folder = URL(fileURLWithPath: Fixture.path("."))
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let tool = folder.appendingPathComponent("trimllava").path
            if FileManager.default.isExecutableFile(atPath: tool) { return tool }
        }
        return "trimllava is not built"
    }()

    private let process = Process()
    private let input = Pipe()
    private let output = CollectedBytes()
    private let errors = CollectedBytes()
    private let ended = DispatchSemaphore(value: 0)

    /// Starts the tool, or `executable`, with an open standard input.
    init(
        _ arguments: [String], executable: String = path, environment: [String: String] = [:]
    ) throws {
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment
            .merging(environment) { $1 }
        process.standardInput = input
        process.standardOutput = output.pipe
        process.standardError = errors.pipe
        process.terminationHandler = { [ended] _ in ended.signal() }
        try process.run()
        output.startReading()
        errors.startReading()
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    /// Runs the tool to its end with the given standard input.
    static func run(
        _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:],
        timeout: Double = 30
    ) throws -> Outcome {
        let tool = try ToolProcess(arguments, environment: environment)
        try tool.send(input)
        return try tool.finish(timeout: timeout)
    }

    /// Runs a shell script in which `"$@"` is the tool with its arguments.
    ///
    /// SIGPIPE has its default effect: on Linux, SwiftNIO ignores it in the tests' process, and no shell can undo that.
    static func shell(_ script: String, _ arguments: [String]) throws -> Outcome {
        #if os(Linux)
            let before = ["--default-signal=PIPE"]
        #else
            let before: [String] = []
        #endif
        let tool = try ToolProcess(
            before + ["/bin/sh", "-c", script, "sh", path] + arguments,
            executable: "/usr/bin/env")
        return try tool.finish()
    }

    /// Writes to the tool's standard input.
    func send(_ bytes: [UInt8]) throws {
        try input.fileHandleForWriting.write(contentsOf: Data(bytes))
    }

    /// Sends Ctrl-C.
    func interrupt() { send(signal: SIGINT) }

    /// The number of the process.
    var number: Int32 { process.processIdentifier }

    /// Sends a signal.
    func send(signal: Int32) { kill(process.processIdentifier, signal) }

    /// Waits until the tool handles Ctrl-C, on systems that report this.
    func waitForInterruptHandler() throws {
        #if os(Linux)
            let bit = UInt64(1) << UInt64(SIGINT - 1)
            let file = "/proc/\(process.processIdentifier)/status"
            try poll {
                try String(contentsOfFile: file, encoding: .utf8)
                    .firstMatch(of: /SigCgt:\s*([0-9a-f]+)/)
                    .flatMap { UInt64($0.1, radix: 16) }
                    .map { $0 & bit != 0 } ?? false
            }
        #else
            sleep(1)
        #endif
    }

    /// Waits until standard output satisfies a condition.
    func waitForOutput(_ isEnough: ([UInt8]) -> Bool) throws {
        try output.wait(until: isEnough)
    }

    /// Waits until standard error contains a text a number of times.
    func waitForErrors(_ text: String, times: Int = 1) throws {
        try errors.wait { bytes in
            String(decoding: bytes, as: UTF8.self).components(separatedBy: text).count > times
        }
    }

    /// The bytes of each read of standard output so far.
    var outputChunks: [[UInt8]] { output.chunks }

    /// Closes standard input if asked to and waits for the tool's end; kills it after the timeout.
    func finish(closingInput: Bool = true, timeout: Double = 30) throws -> Outcome {
        if closingInput { try input.fileHandleForWriting.close() }
        if ended.wait(timeout: .now() + timeout) == .timedOut {
            kill(process.processIdentifier, SIGKILL)
            throw Timeout(arguments: process.arguments ?? [])
        }
        let isSignal = process.terminationReason == .uncaughtSignal
        return Outcome(
            output: output.all(), errors: String(decoding: errors.all(), as: UTF8.self),
            code: process.terminationStatus + (isSignal ? 128 : 0))
    }

    /// The tool did not end or did not reach the expected state in time.
    struct Timeout: Error {
        let arguments: [String]
    }
}

/// The output of a pipe, read by a separate thread.
private final class CollectedBytes: Sendable {
    let pipe = Pipe()
    private let read = Mutex<[[UInt8]]>([])
    private let ended = DispatchSemaphore(value: 0)

    func startReading() {
        DispatchQueue(label: "collect").async { [self] in
            let handle = pipe.fileHandleForReading
            while case let data = handle.availableData, !data.isEmpty {
                read.withLock { $0.append([UInt8](data)) }
            }
            ended.signal()
        }
    }

    var chunks: [[UInt8]] { read.withLock(\.self) }

    /// All bytes, after the other side has closed the pipe.
    func all() -> [UInt8] {
        ended.wait()
        ended.signal()
        return chunks.flatMap(\.self)
    }

    func wait(until isEnough: ([UInt8]) -> Bool) throws {
        try poll { isEnough(chunks.flatMap(\.self)) }
    }
}

/// Waits until the condition holds, at most half a minute.
private func poll(until condition: () throws -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while try !condition() {
        guard ContinuousClock.now < deadline else { throw ToolProcess.Timeout(arguments: []) }
        usleep(2000)
    }
}

/// A pair of golden model files, with command lines that use them.
struct ModelFiles {
    let text: String
    let projector: String

    init(text: String, projector: String) {
        self.text = text
        self.projector = projector
    }

    init(_ name: String) {
        text = Fixture.path("models/\(name)/\(name)-f32.gguf")
        projector = Fixture.path("models/\(name)/\(name)-mmproj-f32.gguf")
    }

    /// A tiny model with its own template.
    static let llama3 = ModelFiles("llava-1.5-gqa")
    /// A tiny model with a context of 4096 rows.
    static let vicuna = ModelFiles("llava-1.5-mha")

    /// The first arguments of a `run` command.
    var run: [String] { ["run", "--model", text, "--mmproj", projector] }
    /// The first arguments of a `caption` command.
    var caption: [String] { ["caption", "--model", text, "--mmproj", projector] }
}

/// The path of a golden model's picture.
func picturePath(_ name: String) -> String { Fixture.path("models/pictures/\(name).png") }
