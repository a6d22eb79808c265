// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import TrimLLaVA

/// The command line: one subcommand per task.
@main
struct TrimLLaVACommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trimllava",
        abstract: "Describes pictures with vision-language models on the CPU, from GGUF weights.",
        version: Release.version,
        subcommands: [
            RunCommand.self, CaptionCommand.self, ServeCommand.self, BenchCommand.self,
            EvalCommand.self, PerplexityCommand.self, PruneMapCommand.self, InspectCommand.self,
            TokenizeCommand.self, PullCommand.self, ModelsCommand.self, DoctorCommand.self,
        ])

    /// Runs the chosen subcommand and exits with 0 (done), 1 (failed) or 2 (wrong usage).
    static func main() {
        ProcessStart.prepare()
        do {
            var command = try parseAsRoot()
            if let sandboxed = command as? any Sandboxed { try sandboxed.sandbox.check() }
            if var finder = command as? any FindsModel {
                try finder.findModel()
                command = finder
            }
            try command.run()
        } catch {
            let ending = Ending(of: error)
            if let message = ending.message {
                let stream: FileHandle = ending.code == 0 ? .standardOutput : .standardError
                try? stream.write(contentsOf: Data("\(message)\n".utf8))
            }
            Foundation.exit(ending.code)
        }
    }
}

/// How the process ends after an error or a request for help.
struct Ending: Equatable {
    /// 0 for help and version, 2 for wrong usage, 1 for everything else.
    let code: Int32

    /// The message, printed on standard output for code 0 and on standard error otherwise.
    let message: String?

    init(of error: any Error) {
        let exitCode = TrimLLaVACommand.exitCode(for: error)
        let text = TrimLLaVACommand.fullMessage(for: error)
        switch exitCode {
        case .success:
            self.init(code: 0, message: text)
        case .validationFailure:
            let message = text.hasPrefix("Error: ") ? String(text.dropFirst(7)) : text
            self.init(code: 2, message: "trimllava: \(escapingControls(message))")
        default:
            if let code = error as? ExitCode {
                self.init(code: code.rawValue, message: nil)
            } else {
                self.init(code: 1, message: "trimllava: \(escapingControls(errorLine(error)))")
            }
        }
    }

    private init(code: Int32, message: String?) {
        self.code = code
        self.message = message
    }
}
