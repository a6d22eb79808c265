// SPDX-License-Identifier: Apache-2.0
import Dispatch
@_exported import GGUF
@_exported import Generation
@_exported import Imaging
import Kernels
@_exported import LLaVAModel
@_exported import TensorOps
@_exported import TokenPruning
@_exported import Tokenization
import WorkerPool

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How a model is loaded and run.
public struct LoadOptions: Sendable {
    /// Threads, at most `maximumThreadCount`; nil for the physical cores that this process may use.
    public var threadCount: Int?
    /// Most rows of a sequence; nil for 4096, or the model's trained context where that is shorter.
    public var context: Int?
    /// How matrix products treat activations.
    public var activationMode: ActivationMode
    /// How vision tower and projector compute.
    public var visionPrecision: VisionPrecision
    /// How the KV cache stores numbers.
    public var cacheFormat: CacheFormat
    /// A folder where packed weights are kept for the next start; nil to pack them at every start.
    public var packCache: String?
    /// What the text model's float matrices are rounded to; nil to compute with floats.
    ///
    /// Without effect where activations stay floats.
    public var floatEncoding: BlockEncoding?
    /// The name of a kernel table; nil for what the environment's `TRIMLLAVA_KERNELS` says, or the
    /// fastest.
    public var kernels: String?

    /// The most threads that a model can have.
    public static let maximumThreadCount = WorkerPool.maximumThreadCount

    /// All cores and the model's defaults, unless given.
    public init(
        threadCount: Int? = nil, context: Int? = nil, activationMode: ActivationMode = .pow2,
        visionPrecision: VisionPrecision = .int8, cacheFormat: CacheFormat = .f16,
        packCache: String? = nil, floatEncoding: BlockEncoding? = nil, kernels: String? = nil
    ) {
        self.threadCount = threadCount
        self.context = context
        self.activationMode = activationMode
        self.visionPrecision = visionPrecision
        self.cacheFormat = cacheFormat
        self.packCache = packCache
        self.floatEncoding = floatEncoding
        self.kernels = kernels
    }
}

/// A loaded LLaVA model.
///
/// ```swift
/// let llava = try LLaVA(text: "llava-v1.5-7b-Q4_K_M.gguf", projector: "mmproj-f16.gguf")
/// let picture = try PictureDecoder.load(path: "cat.jpg")
/// for try await piece in llava.describe(picture) { print(piece, terminator: "") }
/// ```
public final class LLaVA: Sendable {
    /// Its vision tower, projector and decoder.
    public let model: LLaVAModel
    /// Its tokenizer.
    public let tokenizer: Tokenizer
    /// The prompt template that its text file asks for; nil when that cannot be told.
    public let template: ChatTemplate?
    /// How its KV caches store numbers.
    public let cacheFormat: CacheFormat
    /// What loading it took, in seconds.
    public let loadSeconds: Double

    /// What is odd about the files but does not keep them from running.
    public var warnings: [String] { model.warnings }

    /// Maps both files, checks them and rearranges the weights.
    ///
    /// - Parameters:
    ///   - text: path of the text model.
    ///   - projector: path of the vision tower and projector that belong to it, the mmproj file.
    ///   - onProgress: called, on this thread, as matrices are rearranged and written to a cache.
    /// - Throws: `LLaVAError`.
    public init(
        text: String, projector: String, options: LoadOptions = LoadOptions(),
        onProgress: @escaping (LoadProgress) -> Void = { _ in }
    ) throws(LLaVAError) {
        let start = ContinuousClock.now
        do {
            try Self.check(threadCount: options.threadCount)
            let textFile = try GGUFFile(path: text)
            let projectorFile = try GGUFFile(path: projector)
            let ops = TensorOps(
                kernels: try KernelTable.named(options.kernels ?? Self.kernelsFromEnvironment),
                pool: WorkerPool(threadCount: options.threadCount ?? PhysicalCores.count()),
                activationMode: options.activationMode)
            model = try LLaVAModel(
                text: textFile, projector: projectorFile, ops: ops, context: options.context,
                visionPrecision: options.visionPrecision,
                packing: PackingOptions(
                    cacheFolder: options.packCache, floatEncoding: options.floatEncoding),
                onProgress: onProgress)
            tokenizer = try Tokenizer(metadata: textFile.metadata)
            try model.check(tokenizer)
            template = ChatTemplate.detect(metadata: textFile.metadata, tokenizer: tokenizer)
            cacheFormat = options.cacheFormat
            loadSeconds = (ContinuousClock.now - start) / .seconds(1)
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
        try Conversation(self, template: template ?? self.template, system: system, crop: crop)
    }

    /// Continues exactly the given text, in which `<image>` stands for each picture.
    ///
    /// - Parameters:
    ///   - crop: whether a LLaVA-1.5 model sees only the middle square of a picture.
    ///   - recorder: gets what each stage computes.
    ///   - onProgress: told what happens before the answer's first piece.
    ///   - onText: called with each piece of the answer.
    /// - Throws: `LLaVAError`.
    public func complete(
        _ prompt: String, pictures: [Picture] = [], crop: Bool = false,
        options: GenerationOptions = GenerationOptions(),
        cancellation: Cancellation = Cancellation(), recorder: StageRecorder? = nil,
        onText: @escaping (String) -> Void = { _ in },
        onProgress: @escaping (PromptProgress) -> Void = { _ in }
    ) throws(LLaVAError) -> Answer {
        do {
            let pieces = try tokenizer.rawPrompt(prompt, pictures: pictures.count)
            return try newSession().answer(
                pieces, about: pictures, crop: crop, options: options, cancellation: cancellation,
                recorder: recorder, onText: onText, onProgress: onProgress)
        } catch {
            throw LLaVAError(error)
        }
    }

    /// Answers a question about a picture, piece by piece.
    ///
    /// The work runs on a thread of its own; ending the iteration, or the task, stops it. The
    /// stream's errors are `LLaVAError`.
    ///
    /// - Parameter template: nil for the one that the model asks for.
    public func describe(
        _ picture: Picture, question: String = LLaVA.defaultQuestion,
        template: ChatTemplate? = nil, options: GenerationOptions = GenerationOptions()
    ) -> AsyncThrowingStream<String, any Error> {
        AsyncThrowingStream { continuation in
            let cancellation = Cancellation()
            continuation.onTermination = { _ in cancellation.cancel() }
            DispatchQueue(label: "trimllava.describe").async {
                do {
                    _ = try self.conversation(template: template).ask(
                        question, pictures: [picture], options: options,
                        cancellation: cancellation, onText: { continuation.yield($0) })
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
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
                of: try model.preprocessor(crop: crop).tiles(of: picture), by: pruning,
                question: Conversation.questionTokens(question, tokenizer), model,
                cancellation: cancellation,
                onProgress: { onProgress(.encoding(picture: 0, of: 1, done: $0)) })
        } catch {
            throw LLaVAError(error)
        }
    }

    /// What is asked about a picture when nothing else is.
    public static let defaultQuestion = "Describe this picture."

    func newSession() throws(GenerationError) -> GenerationSession {
        try GenerationSession(model: model, tokenizer: tokenizer, cacheFormat: cacheFormat)
    }

    private static func check(threadCount: Int?) throws(GenerationError) {
        let allowed = 1...LoadOptions.maximumThreadCount
        guard let threadCount, !allowed.contains(threadCount) else { return }
        throw .invalidOption(
            name: "the number of threads", value: "\(threadCount)",
            expected: "\(allowed.lowerBound) to \(allowed.upperBound)")
    }

    static var kernelsFromEnvironment: String? {
        getenv("TRIMLLAVA_KERNELS").map { String(cString: $0) }
    }
}
