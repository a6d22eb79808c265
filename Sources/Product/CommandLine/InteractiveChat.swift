// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import TrimLLaVA

/// Questions from standard input, answered one after the other in one conversation.
final class InteractiveChat {
    private static let help = """
        /image FILE   add a picture to the next question
        /reset        start a new conversation
        /quit         leave (also Ctrl-D)
        Ctrl-C stops an answer, or leaves when none is being written.
        """

    private var conversation: Conversation
    private let restart: () throws -> Conversation
    private let options: GenerationOptions
    private let showsTimings: Bool
    private let loadPicture: (String) throws -> Picture
    private var pictures: [Picture] = []
    private let running = RunningAnswer()

    /// A chat whose conversations come from `restart`.
    init(
        _ options: GenerationOptions, showsTimings: Bool,
        loadPicture: @escaping (String) throws -> Picture,
        restart: @escaping () throws -> Conversation
    ) throws {
        self.options = options
        self.showsTimings = showsTimings
        self.loadPicture = loadPicture
        self.restart = restart
        conversation = try restart()
    }

    /// Talks until standard input ends.
    ///
    /// - Parameter pictures: what the first question is about.
    func run(firstQuestion: String?, pictures: [Picture]) throws {
        self.pictures = pictures
        let interrupts = Interrupts { [running] in
            if !running.cancel() { Foundation.exit(Interrupts.exitCode) }
        }
        defer { interrupts.stop() }
        if isTerminal { StandardError.print(Self.help) }
        if let firstQuestion { try ask(firstQuestion) }
        while let line = nextLine() {
            guard let line = String(validating: line, as: UTF8.self) else {
                StandardError.print("trimllava: the line is not valid UTF-8")
                continue
            }
            if line.hasPrefix("/") {
                guard try perform(line) else { return }
            } else if !line.allSatisfy(\.isWhitespace) {
                try ask(line)
            }
        }
    }

    private var isTerminal: Bool { isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0 }

    /// A line of standard input without its end, or nil when there is no more.
    private func nextLine() -> [UInt8]? {
        if isTerminal { FileHandle.standardError.write(Data("> ".utf8)) }
        var line: [UInt8] = []
        while true {
            let character = getchar()
            guard character != EOF else { return line.isEmpty ? nil : line }
            if character == 10 { return line }
            line.append(UInt8(truncatingIfNeeded: character))
        }
    }

    /// Returns whether the chat goes on.
    private func perform(_ line: String) throws -> Bool {
        let words = line.split(separator: " ", maxSplits: 1).map(String.init)
        switch (words[0], words.count) {
        case ("/quit", 1): return false
        case ("/help", 1): StandardError.print(Self.help)
        case ("/reset", 1):
            conversation = try restart()
            pictures = []
        case ("/image", 2):
            do {
                pictures.append(try loadPicture(words[1]))
            } catch {
                StandardError.print("trimllava: \(error)")
            }
        default: StandardError.print("trimllava: unknown command \(line); /help lists them")
        }
        return true
    }

    /// A question that cannot be answered is reported, and its pictures are kept for the next.
    private func ask(_ question: String) throws {
        let cancellation = Cancellation()
        running.set(cancellation)
        defer { running.set(nil) }
        do {
            let answer = try conversation.ask(
                question, pictures: pictures, options: options, cancellation: cancellation,
                onText: StandardOutput.stream)
            pictures = []
            try writeOutput("\n")
            if showsTimings {
                StandardError.print(
                    RunReport(answer, pictureNames: [], decodeSeconds: 0).summary)
            }
        } catch let error as LLaVAError {
            StandardError.print("trimllava: \(error)")
        }
    }
}

/// The answer that is being written, which an interrupt stops.
private final class RunningAnswer: Sendable {
    private let cancellation = Mutex<Cancellation?>(nil)

    func set(_ new: Cancellation?) { cancellation.withLock { $0 = new } }

    /// Stops the answer; false when there is none, or when it was stopped before.
    func cancel() -> Bool {
        cancellation.withLock { cancellation in
            guard let cancellation, !cancellation.isCancelled else { return false }
            cancellation.cancel()
            return true
        }
    }
}
