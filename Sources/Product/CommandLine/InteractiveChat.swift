// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA
import UserText

/// Answers questions from standard input in one conversation.
final class InteractiveChat {
    private static let help = """
        /image FILE   add a picture to the next question
        /skip         go on without a picture that could not be read
        /reset        start a new conversation
        /quit         leave (also Ctrl-D)
        /help         show these lines
        Ctrl-C stops an answer, or leaves when none is being written.
        """

    private var conversation: Conversation
    private let restart: () throws -> Conversation
    private let options: GenerationOptions
    private let quiet: Bool
    private let note: ManyTokensNote?
    private var input: PictureInput
    /// Pictures for the next question that could not be read.
    ///
    /// The question is not asked without them.
    private var missing: [String] = []
    private var lines = InputLines()
    private let isTerminal = isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0

    /// A chat; `restart` makes its conversations.
    ///
    /// - Parameters:
    ///   - input: the pictures that the first question is about.
    ///   - note: what is said of pictures that become very many visual tokens.
    init(
        _ options: GenerationOptions, _ input: PictureInput, quiet: Bool, note: ManyTokensNote?,
        restart: @escaping () throws -> Conversation
    ) throws {
        self.options = options
        self.input = input
        self.quiet = quiet
        self.note = note
        self.restart = restart
        conversation = try restart()
    }

    /// Answers questions until standard input ends.
    func run(firstQuestion: String?) throws {
        let interrupts = Interrupts()
        defer { interrupts.stop() }
        if isTerminal { StandardError.print(Self.help) }
        if let firstQuestion { try ask(firstQuestion, interrupts) }
        while let bytes = try nextLine() {
            guard let line = try text(of: bytes) else { continue }
            if line.hasPrefix("/") {
                guard try perform(line) else { return }
            } else if !line.allSatisfy(\.isWhitespace) {
                try ask(line, interrupts)
            }
        }
    }

    private func nextLine() throws(UserTextError) -> [UInt8]? {
        if isTerminal { StandardError.write("> ") }
        let line = try lines.next()
        if isTerminal, line == nil { StandardError.print("") }
        return line
    }

    /// The text of a line.
    ///
    /// A line that is not text is reported and becomes nil.
    private func text(of line: [UInt8]) throws(UserTextError) -> String? {
        do {
            return try UserText.line(line, place: "the line")
        } catch {
            guard case .notUTF8 = error else { throw error }
            StandardError.report("\(error)")
            return nil
        }
    }

    /// Performs a line; returns whether the chat continues.
    private func perform(_ line: String) throws -> Bool {
        let command = line.prefix { !$0.isWhitespace }
        let argument = line.dropFirst(command.count).trimmingCharacters(in: .whitespaces)
        switch (command, argument.isEmpty) {
        case ("/quit", true): return false
        case ("/help", true): StandardError.print(Self.help)
        case ("/reset", true):
            conversation = try restart()
            input.removeAll()
            missing = []
        case ("/skip", true): missing = []
        case ("/image", false):
            for path in TypedPaths.paths(in: argument) { try addPicture(path) }
        case ("/image", true): StandardError.report("/image needs a file")
        default: StandardError.report("unknown command \(line); /help lists them")
        }
        return true
    }

    private func addPicture(_ path: String) throws {
        guard path != "-" else {
            missing.append(path)
            return StandardError.report("standard input carries the questions, not a picture")
        }
        guard conversation.llava.seesPictures else {
            missing.append(path)
            return StandardError.report(
                "the model has no vision projector, which pictures need; --mmproj gives one")
        }
        do {
            try input.load(path)
        } catch {
            missing.append(path)
            return StandardError.report("\(error)")
        }
        missing = []
        let added = input.pictures.count - 1
        try note?.report(input, from: added, for: conversation.llava)
        if !quiet {
            try input.reportSeenSizes(from: added, for: conversation.llava)
        }
        if isTerminal, let picture = input.pictures.last {
            StandardError.print("\(picture.width) × \(picture.height) pixels")
        }
    }

    /// Asks a question.
    ///
    /// If it cannot be answered, its pictures are kept for the next one.
    private func ask(_ question: String, _ interrupts: Interrupts) throws {
        guard missing.isEmpty else {
            return StandardError.report(
                "not asked: the question would go without \(missing.joined(separator: ", ")); "
                    + "/image FILE adds a picture, /skip goes on without")
        }
        let cancellation = Cancellation()
        let progress = ProgressLine(quiet: quiet)
        let stream = AnswerPrinter(cancelling: cancellation, progress)
        let answer: Answer
        do {
            answer = try interrupts.cancelling(cancellation) {
                try conversation.ask(
                    question, pictures: input.pictures, frames: input.frames, options: options,
                    cancellation: cancellation, onText: stream.write, onProgress: progress.show)
            }
        } catch let error as LLaVAError {
            progress.erase()
            return StandardError.report(errorLine(error))
        }
        progress.erase()
        if answer.stopReason == .cancelled, answer.tokens.isEmpty {
            return StandardError.report("stopped before the answer began; the question is dropped")
        }
        try stream.finish()
        if !quiet { StandardError.print(RunReport(answer, about: input).summary) }
        input.removeAll()
    }
}
