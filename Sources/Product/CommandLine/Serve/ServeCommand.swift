// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FileOutput
import Foundation
import Logging
import Serving
import TrimLLaVA

/// `trimllava serve`: answers over HTTP.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract:
            "Answers over HTTP with the APIs of OpenAI, ollama and Anthropic, and a page for browsers.",
        discussion: """
            The server listens first and then loads the model. It prints its address on standard output, as one line \
            of JSON. The log goes to standard error. After SIGTERM or Ctrl-C it finishes the answers in progress and \
            ends; a second signal ends it at once.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Pruning") var pruning: PruningArguments
    @OptionGroup(title: "Address") var address: ServeAddressOptions
    @OptionGroup(title: "Access") var access: ServeAccessOptions
    @OptionGroup(title: "Limits") var limits: ServeLimitOptions
    @OptionGroup(title: "Safety") var sandbox: SandboxOptions

    @Option(
        help: ArgumentHelp(
            "What clients call the model. (default: its name, or that of its file)",
            valueName: "name"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "Prompt template. (default: the one that the model's file asks for)",
            valueName: "name"))
    var template: ChatTemplate?

    @Flag(help: "End when the process that started this one ends.")
    var exitWithParent = false

    @Flag(name: [.short, .long], help: "Log warnings and errors only.")
    var quiet = false

    func validate() throws {
        if name?.isEmpty == true { throw ValidationError("--name is empty") }
    }

    func run() throws {
        try TextInput.checkArguments()
        try checkingFiles { files in try files.reads(model) }
        try OpenFileLimit.check()
        try ThreadLimit.check()
        let descriptors = OpenFileLimit.raise()
        if model.textFile == nil, !quiet {
            StandardError.report(
                "no --model given: using the demonstration model, which knows only drawn scenes")
        }
        let stream = LogStream(descriptor: STDERR_FILENO)
        defer { stream.finish(within: Self.lastSeconds) }
        var log = Logger(label: "trimllava") {
            StreamLogHandler(label: $0, stream: stream, metadataProvider: nil)
        }
        log.logLevel = quiet ? .warning : .info
        let options = try servingOptions(descriptors, log)
        let server = LLaVAServer(options, log: log) { [model, log] onProgress throws(LLaVAError) in
            try model.loadToServe(log, onProgress)
        }
        let signals = ServeSignals(server, log)
        defer { signals.stop() }
        let parent = exitWithParent ? ParentWatch { server.stop() } : nil
        defer { parent?.stop() }
        let (sandbox, files, media) = (sandbox, model, options.mediaFolder)
        try waiting(for: { [log] in
            try await server.run { address in
                try sandbox.close { rules in
                    rules.acceptsConnections = true
                    rules.read(files)
                    if let media { rules.read(FilePath(media)) }
                }
                do { try writeOutput(address.line + "\n") } catch {
                    log.error("\(error); the address is not printed")
                }
            }
        })
        stream.finish(within: Self.lastSeconds)
        // The clean-up of `exit` would free memory under the threads that load the model or answer.
        _exit(0)
    }

    /// Seconds in which the last lines of the log are written.
    private static let lastSeconds = 2.0

    private func servingOptions(_ descriptors: Int, _ log: Logger) throws -> ServingOptions {
        var options = ServingOptions()
        options.address = try address.address()
        options.certificate = address.certificate
        options.keys = try access.keys()
        options.origins = access.cors
        options.mediaFolder = try access.mediaFolder()
        options.modelName = name ?? modelName
        options.modelBytes = [model.model, model.mmproj].compactMap(\.self).reduce(0) {
            $0 + (FileStatus(FilePath($1))?.version.size ?? 0)
        }
        options.isDemonstration = model.textFile == nil
        options.parallel = limits.parallel.count
        options.pruning = pruning.options
        options.defaults = pruning.options(keeping: .automatic)
        options.template = template
        options.limits = limits.limits
        options.limits.fit(descriptors: descriptors)
        if options.limits.connections < limits.maxConnections {
            log.warning(
                """
                only \(options.limits.connections) connections at a time: the process may have \(descriptors) \
                file descriptors; see ulimit -n
                """)
        }
        return options
    }

    /// The name that the model was given by, or that of its file without what says its format.
    private var modelName: String {
        if let name = model.found?.name { return name }
        guard let textFile = model.textFile else { return "trimllava-demo" }
        let name = URL(fileURLWithPath: textFile).lastPathComponent
        return name.lowercased().hasSuffix(".gguf") ? String(name.dropLast(5)) : name
    }
}

extension ModelOptions {
    /// Loads the model; its warnings go to the log.
    fileprivate func loadToServe(
        _ log: Logger, _ onProgress: @escaping @Sendable (Double) -> Void
    ) throws(LLaVAError) -> LLaVA {
        let llava = try LLaVA(
            text: model, projector: mmproj, options: loadOptions,
            onProgress: { if case .packing(let done) = $0 { onProgress(done) } },
            onWarning: { log.warning("\($0)") })
        for warning in limitWarnings(llava) { log.warning("\(warning)") }
        return llava
    }
}
