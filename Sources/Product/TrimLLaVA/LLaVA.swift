// SPDX-License-Identifier: Apache-2.0
import Families
import GGUF
import Generation
import Imaging
import KernelInterface
import Kernels
import Synchronization
import TensorOps
import TokenPruning
import Tokenization
import Weights
import WorkerPool

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A loaded LLaVA model, or a text model.
///
/// ```swift
/// let llava = try LLaVA(text: "llava-v1.5-7b-Q4_K_M.gguf", projector: "mmproj-f16.gguf")
/// for try await piece in llava.describe(.file("cat.jpg")) { print(piece, terminator: "") }
/// ```
public final class LLaVA: Sendable {
    /// Its vision tower, projector and decoder.
    package let model: LLaVAModel
    /// Its tokenizer.
    package let tokenizer: Tokenizer
    /// The prompt template that its text file asks for, or else `LoadOptions.usualTemplate`; nil when neither is known.
    public let template: ChatTemplate?
    /// How its KV caches store numbers.
    public let cacheFormat: CacheFormat
    /// The system prompt that its text file asks for; nil for the template's own.
    let defaultSystem: String?
    /// How much of a picture it sees at most, as its user asked.
    package let visionLimits: VisionLimits
    /// What its automatic budgets follow; nil for `LoadOptions.automaticRule`, or the rule of drawn scenes.
    public let calibration: Calibration?
    /// What loading it took, in seconds.
    public let loadSeconds: Double
    /// The most answers that its engine generates at the same time.
    let parallel: Int
    /// Bytes of encoded pictures that its engine keeps.
    let pictureCacheBytes: Int
    /// Answers all questions; nil before the first one.
    let sharedEngine = Mutex<Engine?>(nil)

    /// What is odd about the files but does not keep them from running.
    public let warnings: [String]
    /// Rows that a prompt, its pictures and its answer may take together.
    public var context: Int { model.context }
    /// Whether it reads pictures, and not text alone.
    public var seesPictures: Bool { model.seesPictures }

    /// Maps the files, checks them and rearranges the weights.
    ///
    /// - Parameters:
    ///   - text: path of the text model.
    ///   - projector: path of the vision tower and projector that belong to it, the mmproj file; nil for a model that
    ///     reads text alone.
    ///   - onProgress: called, on this thread, as matrices are rearranged and written to a cache.
    ///   - onWarning: called, on any thread, with what is wrong with `LoadOptions.packCache` after the model was
    ///     loaded. What was wrong before is in `warnings`.
    /// - Throws: `LLaVAError`.
    public init(
        text: String, projector: String? = nil, options: LoadOptions = LoadOptions(),
        onProgress: @escaping (LoadProgress) -> Void = { _ in },
        onWarning: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(LLaVAError) {
        let start = ContinuousClock.now
        do {
            try options.validate()
            let textFile = try GGUFFile(path: text)
            let projectorFile = try projector.map { path throws(GGUFError) in
                try GGUFFile(path: path)
            }
            let ops = TensorOps(
                kernels: try KernelTable.named(options.kernels ?? Self.kernelsFromEnvironment),
                pool: WorkerPool(threadCount: options.threadCount ?? PhysicalCores.count()),
                activationMode: options.activationMode)
            // A file that is no text model has no vocabulary either.
            try LLaVAModel.decoderConfig(textFile, beside: projectorFile)
            try options.checkMemory(textFile, projectorFile)
            tokenizer = try Tokenizer(metadata: textFile.metadata)
            let (calibration, damage) = Self.calibration(options, beside: text)
            model = try LLaVAModel(
                text: textFile, projector: projectorFile, tokenizer: tokenizer, ops: ops,
                context: options.context, limits: options.visionLimits,
                automaticRule: options.automaticRule ?? calibration?.rule ?? .drawnScenes,
                visionPrecision: options.visionPrecision,
                packing: PackingOptions(
                    cacheFolder: options.packCache, floatEncoding: options.floatEncoding,
                    onWarning: onWarning),
                onProgress: onProgress)
            try model.check(tokenizer)
            self.calibration = calibration
            warnings = model.warnings + damage
            template =
                ChatTemplate.detect(metadata: textFile.metadata, tokenizer: tokenizer)
                ?? options.usualTemplate
            defaultSystem = ChatTemplate.defaultSystem(metadata: textFile.metadata)
            cacheFormat = options.cacheFormat
            visionLimits = options.visionLimits
            parallel = options.parallel
            pictureCacheBytes = options.pictureCacheBytes
            loadSeconds = (ContinuousClock.now - start) / .seconds(1)
        } catch {
            throw LLaVAError(error)
        }
    }

    /// The calibration beside the text model, if the options leave the choice to it, and what is wrong with it.
    private static func calibration(
        _ options: LoadOptions, beside text: String
    ) -> (Calibration?, damage: [String]) {
        guard options.automaticRule == nil else { return (nil, []) }
        do throws(CalibrationError) {
            return (try Calibration.read(beside: text), [])
        } catch {
            return (nil, ["\(error); automatic budgets do without it"])
        }
    }

    /// What becomes of transparent pictures for the model of an mmproj file, as in its training.
    ///
    /// - Throws: `LLaVAError` for a file that is none, or of a family that is not known.
    public static func transparency(projector: String) throws(LLaVAError) -> Transparency {
        do {
            return try GGUFFile(path: projector).family().transparency
        } catch {
            throw LLaVAError(error)
        }
    }

    /// A new conversation about pictures.
    ///
    /// - Parameters:
    ///   - template: nil for the one that the model asks for.
    ///   - system: what the conversation starts with; nil for the template's own text.
    ///   - crop: whether a LLaVA-1.5 model sees only the middle square of a picture.
    /// - Throws: `LLaVAError` when no template is known.
    public func conversation(
        template: ChatTemplate? = nil, system: String? = nil, crop: Bool = false
    ) throws(LLaVAError) -> Conversation {
        try Conversation(self, template: template, system: system, crop: crop)
    }

    /// Continues exactly the given text, in which `<image>` stands for each picture.
    ///
    /// - Parameters:
    ///   - frames: those of a video, in their order: one more picture, after the others.
    ///   - crop: whether a LLaVA-1.5 model sees only the middle square of a picture.
    ///   - recorder: gets what each stage computes.
    ///   - onProgress: told, on this thread, what happens before the answer's first piece.
    ///   - onText: called, on this thread, with each piece of the answer.
    /// - Throws: `LLaVAError`.
    public func complete(
        _ prompt: String, pictures: [Picture] = [], frames: [Picture] = [], crop: Bool = false,
        options: GenerationOptions = GenerationOptions(),
        cancellation: Cancellation = Cancellation(), recorder: StageRecorder? = nil,
        onText: (String) -> Void = { _ in }, onProgress: (PromptProgress) -> Void = { _ in }
    ) throws(LLaVAError) -> Answer {
        do {
            var history = History()
            let count = ShownPictures.count(pictures, frames: frames)
            return try answer(
                try WrittenPrompt(raw: prompt, pictures: count, tokenizer),
                about: ShownPictures(pictures, frames: frames, crop: crop, self), after: &history,
                isContinued: false, options: options,
                cancellation: cancellation, recorder: recorder, onText: onText,
                onProgress: onProgress)
        } catch {
            throw LLaVAError(error)
        }
    }

    /// Which visual tokens of a picture a selector keeps; no answer is generated.
    ///
    /// - Parameter crop: whether a LLaVA-1.5 model sees only the middle square of the picture.
    /// - Throws: `LLaVAError`.
    public func selection(
        of picture: Picture, question: String = LLaVA.defaultQuestion, by pruning: PruningOptions,
        crop: Bool = false, cancellation: Cancellation = Cancellation(),
        onProgress: @escaping (PromptProgress) -> Void = { _ in }
    ) throws(LLaVAError) -> PictureSelection {
        do {
            return try PictureSelection(
                of: try model.pictureEncoder(crop: crop).tiles(of: picture), by: pruning,
                question: WrittenPrompt.tokens(of: question, tokenizer), model,
                cancellation: cancellation,
                onProgress: { onProgress(.encoding(picture: 0, of: 1, done: $0)) })
        } catch {
            throw LLaVAError(error)
        }
    }

    static var kernelsFromEnvironment: String? {
        let name = getenv("TRIMLLAVA_KERNELS").map { String(cString: $0) }
        return name?.isEmpty == true ? nil : name
    }
}
