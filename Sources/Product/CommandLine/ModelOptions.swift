// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import DemoModel
import Families
import ModelStore
import TrimLLaVA

/// The model and how to run it.
struct ModelOptions: ParsableArguments {
    @Option(
        name: [.customShort("m"), .customLong("model")],
        help: ArgumentHelp(
            """
            Text model (GGUF), or a model's name, such as llava-1.5-7b, hf:OWNER/REPO or ollama:llava; what is not on \
            this machine is downloaded. (default: a small demonstration model that knows only drawn scenes)
            """, valueName: "file"),
        completion: .file())
    var textFile: String?

    @Option(
        name: .customLong("mmproj"),
        help: ArgumentHelp(
            """
            Vision tower and projector of the same model (GGUF). (default: the one that a model's name stands for; \
            without one, the model reads text alone)
            """, valueName: "file"),
        completion: .file())
    var projectorFile: String?

    @OptionGroup var store: StoreOptions

    /// The files that `--model` stands for, if it is a name and they have been found.
    var found: FoundModel?

    /// The text model's file.
    var model: String { found?.text ?? textFile ?? DemoModel.files?.text ?? "" }
    /// The projector's file; nil for a model that reads text alone.
    var mmproj: String? {
        textFile == nil ? DemoModel.files?.projector : projectorFile ?? found?.projector
    }

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: ArgumentHelp(
            "Number of threads. (default: the physical cores that this process may use)",
            valueName: "count"))
    var threads: Int?

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: ArgumentHelp(
            """
            Context in tokens: prompts, pictures and answers together. (default: \
            \(LLaVAModel.defaultContext), or as many as the largest picture needs; at most the model's)
            """, valueName: "tokens"))
    var context: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            The most tiles that a picture is cut into: fewer are faster, and show less detail. (default: as many as the \
            model was trained on)
            """, valueName: "count"))
    var maxTiles: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            The most pixels of a picture for models that see pictures of any size (Qwen-VL): fewer are faster, and show \
            less detail. (default: the model's own limit)
            """, valueName: "count"))
    var maxPixels: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            The share of a picture's patches that the vision tower sees, at least 50%: smaller shares are faster. Patches \
            that look like their neighbours are left out. (default: 100%)
            """, valueName: "percent"),
        transform: Self.towerShare)
    var towerKeep: Double?

    @OptionGroup var numbers: NumberOptions

    @Option(
        help: ArgumentHelp(
            "Folder for repacked weights and processed prompt templates: the next start is faster.",
            valueName: "folder"),
        completion: .directory)
    var packCache: String?

    @Option(
        help: ArgumentHelp(
            "Quantize the text model's F32, F16 and BF16 matrices: faster, smaller, less accurate.",
            valueName: "format"))
    var quantize: BlockEncoding?

    func validate() throws {
        guard textFile != nil || projectorFile == nil else {
            throw ValidationError("--mmproj needs --model")
        }
        // A misspelt name is refused with the other wrong options.
        if let textFile { _ = try store.name(textFile) }
        guard textFile != nil || DemoModel.files != nil else {
            throw ValidationError(
                "give --model and --mmproj: the demonstration model is not beside this program")
        }
        let allowed = 1...LoadOptions.maximumThreadCount
        if let threads, !allowed.contains(threads) {
            throw ValidationError(
                "--threads is \(threads), expected \(allowed.lowerBound) to \(allowed.upperBound)")
        }
        if let context, context < 1 {
            throw ValidationError("--context is \(context), expected 1 or more")
        }
        if let maxTiles, maxTiles < 1 {
            throw ValidationError("--max-tiles is \(maxTiles), expected 1 or more")
        }
        if let maxPixels, maxPixels < 1 {
            throw ValidationError("--max-pixels is \(maxPixels), expected 1 or more")
        }
        if quantize != nil, numbers.activations == .float {
            throw ValidationError("--quantize cannot be combined with --activations float")
        }
        if packCache?.isEmpty == true { throw ValidationError("--pack-cache is empty") }
    }

    /// Reads `75%`, the part of a picture's patches that the vision tower sees.
    private static func towerShare(_ text: String) throws -> Double {
        guard case .percent(let percent) = try? KeepBudget(parsing: text),
            VisionLimits.towerShares.contains(percent / 100)
        else { throw ValidationError("expected 50% to 100%") }
        return percent / 100
    }

    /// Finds or downloads the files of a model that was given by name.
    ///
    /// - Parameter parts: what is needed of a model whose projector was not given.
    mutating func findFiles(_ parts: PullParts, quiet: Bool) throws {
        guard let textFile else { return }
        found = try store.files(of: textFile, projectorFile == nil ? parts : .text, quiet: quiet)
            .map { FoundModel($0) }
    }

    /// Refuses a file that reads text alone before it is loaded.
    func checkSeesPictures() throws {
        guard mmproj == nil, let textFile, try store.name(textFile) == nil else { return }
        throw ValidationError(
            "\(textFile) has no vision projector, which pictures need: give --mmproj")
    }

    /// Loads the model; its warnings go to stderr.
    ///
    /// - Parameter automaticRule: nil for that of the calibration beside the model, if there is one.
    func load(quiet: Bool = false, automaticRule: AutomaticRule? = nil) throws -> LLaVA {
        try OpenFileLimit.check()
        try ThreadLimit.check()
        if textFile == nil, !quiet {
            StandardError.report(
                "no --model given: using the demonstration model, which knows only drawn scenes")
        }
        let line = ProgressLine(quiet: quiet, patience: .seconds(1))
        defer { line.erase() }
        var options = loadOptions
        options.automaticRule = automaticRule
        let llava = try LLaVA(
            text: model, projector: mmproj, options: options, onProgress: line.show,
            onWarning: { warning in
                ProgressLine.eraseAny()
                StandardError.report("warning: \(warning)")
            })
        line.erase()
        for warning in llava.warnings + limitWarnings(llava) {
            StandardError.report("warning: \(warning)")
        }
        // The model has taken memory.
        try ThreadLimit.check()
        return llava
    }
}

extension ModelOptions {
    /// What becomes of transparent pictures, which are decoded before the model is loaded.
    ///
    /// What is wrong with the file is an error of loading.
    var transparency: Transparency {
        mmproj.flatMap { try? LLaVA.transparency(projector: $0) } ?? .dropped
    }

    /// How the model is loaded and run.
    ///
    /// Commands that answer many questions at the same time have engines of their own.
    var loadOptions: LoadOptions {
        LoadOptions(
            threadCount: threads, context: context,
            visionLimits: VisionLimits(
                mostTiles: maxTiles, mostPixels: maxPixels, towerShare: towerKeep ?? 1),
            activationMode: numbers.activations, visionPrecision: numbers.visionPrecision,
            cacheFormat: numbers.kvCache,
            packCache: packCache, floatEncoding: quantize, parallel: 1, pictureCacheBytes: 0,
            usualTemplate: found?.template)
    }
}

/// The number formats of a run.
struct NumberOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Number format of activations in matrix products.", valueName: "mode"))
    var activations: ActivationMode = .pow2

    @Option(
        help: ArgumentHelp("Number format of vision tower and projector.", valueName: "precision"))
    var visionPrecision: VisionPrecision = .int8

    @Option(help: ArgumentHelp("Number format of the KV cache.", valueName: "format"))
    var kvCache: CacheFormat = .f16
}

extension ActivationMode: ExpressibleByArgument {}
extension BlockEncoding: ExpressibleByArgument {}
extension VisionPrecision: ExpressibleByArgument {}
extension CacheFormat: ExpressibleByArgument {}
