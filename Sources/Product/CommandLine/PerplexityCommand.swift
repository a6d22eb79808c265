// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Evaluation
import Foundation
import TrimLLaVA
import UserText

/// `trimllava perplexity`: how well a model predicts a text.
struct PerplexityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity",
        abstract: "Measures how well a model predicts a text.",
        discussion: """
            The text is cut into windows, and the second half of each is scored, as by llama.cpp's \
            llama-perplexity: figures of both can be compared. Run it twice to see what a format, \
            --activations, --kv-cache or --quantize costs; lower is better.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Safety") var sandbox: SandboxOptions

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Number of tokens in a window.", valueName: "tokens"))
    var window = PerplexityText.defaultWindow

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Number of windows to read. (default: all)", valueName: "count"))
    var windows: Int?

    @Flag(help: "Print one JSON object.")
    var json = false

    @Flag(name: [.short, .long], help: "Print no progress.")
    var quiet = false

    @Argument(
        help: ArgumentHelp("A text file, or - for standard input.", valueName: "file"),
        completion: .file())
    var file: String

    func validate() throws {
        guard window >= 4 else {
            throw ValidationError("--window is \(window), expected 4 or more")
        }
        if let windows, windows < 1 {
            throw ValidationError("--windows is \(windows), expected 1 or more")
        }
    }

    func run() throws {
        try TextInput.checkArguments()
        let files = try checkingFiles { files in
            try files.reads(model)
            try files.reads(pictures: [file])
            try files.writes(.standardStream)
            return files
        }
        try sandbox.close(files, model)
        let name = UserText.name(of: file.utf8)
        var content = try UserText.exactText(try UserText.bytes(at: file.utf8), place: name)
        // As for llama-perplexity, the last line end is not part of the text.
        if content.utf8.last == UInt8(ascii: "\n") { content.unicodeScalars.removeLast() }
        let llava = try model.load(quiet: quiet)
        let text = try PerplexityText(
            content, name: name, for: llava, window: window, limit: windows)
        let cancellation = Cancellation()
        let interrupts = Interrupts()
        let progress = ProgressLine(quiet: quiet)
        defer { progress.erase() }
        let found = try interrupts.cancelling(cancellation) {
            do {
                return try text.perplexity(cancellation: cancellation) { found in
                    progress.show(
                        """
                        window \(found.windows) of \(text.windowCount), perplexity \
                        \(Self.rounded(found.value)) so far
                        """)
                }
            } catch LLaVAError.model(.cancelled) {
                progress.erase()
                throw ExitCode(Interrupts.exitCode)
            }
        }
        interrupts.stop()
        progress.erase()
        let report = PerplexityReport(found, of: text, window: window)
        try writeOutput(json ? jsonOutput(report) : report.text)
    }

    fileprivate static func rounded(_ number: Double) -> String { String(format: "%.4f", number) }
}

/// What `perplexity` prints.
private struct PerplexityReport: Encodable {
    let perplexity: Double
    let error: Double
    let natsPerToken: Double
    let bitsPerByte: Double
    let tokensPerSecond: Double
    let seconds: Double
    let scoredTokens: Int
    let textTokens: Int
    let windows: Int
    let windowTokens: Int

    init(_ found: Perplexity, of text: PerplexityText, window: Int) {
        perplexity = found.value
        error = found.error
        natsPerToken = found.natsPerToken
        bitsPerByte = found.bitsPerByte
        tokensPerSecond = OutputSchema.rate(found.tokensPerSecond)
        seconds = OutputSchema.seconds(found.seconds)
        scoredTokens = found.tokens
        textTokens = text.tokenCount
        windows = found.windows
        windowTokens = window
    }

    var text: String {
        """
        perplexity \(PerplexityCommand.rounded(perplexity)) ± \(PerplexityCommand.rounded(error)), \
        \(PerplexityCommand.rounded(bitsPerByte)) bits per byte
        \(scoredTokens) tokens scored in \(windows) windows of \(windowTokens), \
        \(String(format: "%.1f", tokensPerSecond)) tokens/s

        """
    }
}
