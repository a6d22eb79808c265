// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import TestSupport
import Testing

/// How a run of the built `trimllava` ended.
struct Outcome {
    /// What it wrote to standard output.
    let output: [UInt8]
    /// What it wrote to standard error.
    let errors: String
    /// The exit code, or 128 and the number of the signal that ended it.
    let code: Int32

    var text: String { String(decoding: output, as: UTF8.self) }
}

/// A running `trimllava`: the executable itself, as a user starts it.
final class ToolProcess {
    /// Where the build put the executable: beside the tests' resources.
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

    /// Starts the tool, or `executable` instead, with standard input open.
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

    /// Runs the tool to its end, with `input` as its standard input.
    static func run(
        _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:],
        timeout: Double = 30
    ) throws -> Outcome {
        let tool = try ToolProcess(arguments, environment: environment)
        try tool.send(input)
        return try tool.finish(timeout: timeout)
    }

    /// Runs a shell script in which `"$@"` is the tool with its arguments.
    static func shell(_ script: String, _ arguments: [String]) throws -> Outcome {
        let tool = try ToolProcess(
            ["-c", script, "sh", path] + arguments, executable: "/bin/sh")
        return try tool.finish()
    }

    /// Writes to the tool's standard input.
    func send(_ bytes: [UInt8]) throws {
        try input.fileHandleForWriting.write(contentsOf: Data(bytes))
    }

    /// Sends Ctrl-C.
    func interrupt() { send(signal: SIGINT) }

    /// Sends a signal.
    func send(signal: Int32) { kill(process.processIdentifier, signal) }

    /// Waits until Ctrl-C would be handled and not end the tool, as far as the system tells.
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

    /// Waits until standard error has some text a number of times.
    func waitForErrors(_ text: String, times: Int = 1) throws {
        try errors.wait { bytes in
            String(decoding: bytes, as: UTF8.self).components(separatedBy: text).count > times
        }
    }

    /// What each read of standard output brought so far.
    var outputChunks: [[UInt8]] { output.chunks }

    /// Waits for the tool's end, which the end of its standard input may bring; kills it when that
    /// takes too long.
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

    /// The tool did not come to its end, or not to what was waited for.
    struct Timeout: Error {
        let arguments: [String]
    }
}

/// What comes out of a pipe, read by a thread of its own.
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

    /// Everything, once the other side has closed the pipe.
    func all() -> [UInt8] {
        ended.wait()
        ended.signal()
        return chunks.flatMap(\.self)
    }

    func wait(until isEnough: ([UInt8]) -> Bool) throws {
        try poll { isEnough(chunks.flatMap(\.self)) }
    }
}

/// Returns as soon as the condition holds; gives up after half a minute.
private func poll(until condition: () throws -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while try !condition() {
        guard ContinuousClock.now < deadline else { throw ToolProcess.Timeout(arguments: []) }
        usleep(2000)
    }
}

/// A pair of golden files, as arguments of `run`.
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

    /// Tiny, with a template of its own.
    static let llama3 = ModelFiles("llava-1.5-gqa")
    /// Tiny, with room for 4096 rows.
    static let vicuna = ModelFiles("llava-1.5-mha")

    /// The beginning of a command line that runs the model.
    var run: [String] { ["run", "--model", text, "--mmproj", projector] }
    /// The beginning of a command line that captions pictures with the model.
    var caption: [String] { ["caption", "--model", text, "--mmproj", projector] }
}

/// The path of a golden model's picture.
func picturePath(_ name: String) -> String { Fixture.path("models/pictures/\(name).png") }
