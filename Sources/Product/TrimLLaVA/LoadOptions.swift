// SPDX-License-Identifier: Apache-2.0
import Generation
import Pictures
import TokenPruning
import WorkerPool

/// How a model is loaded and run.
public struct LoadOptions: Sendable {
    /// Threads, at most `maximumThreadCount`; nil for the physical cores that this process may use.
    public var threadCount: Int?
    /// Most rows of a sequence; nil for 4096, or the model's trained context where that is shorter.
    public var context: Int?
    /// How much of a picture the model sees at most.
    public var visionLimits: VisionLimits
    /// How many visual tokens automatic budgets keep; nil for the `Calibration` beside the text model, or
    /// `AutomaticRule.drawnScenes`.
    public var automaticRule: AutomaticRule?
    /// How matrix products treat activations.
    public var activationMode: ActivationMode
    /// How vision tower and projector compute.
    public var visionPrecision: VisionPrecision
    /// How the KV cache stores numbers.
    public var cacheFormat: CacheFormat
    /// A folder where packed weights, and the rows that prompts start with, are kept for the next start; nil to
    /// compute them at every start.
    public var packCache: String?
    /// What the text model's float matrices are rounded to; nil to compute with floats.
    ///
    /// Without effect where activations stay floats.
    public var floatEncoding: BlockEncoding?
    /// The name of a kernel table; nil for what the environment's `TRIMLLAVA_KERNELS` says, or the
    /// fastest.
    public var kernels: String?
    /// The most answers of `LLaVA.ask`, `LLaVA.describe` and conversations that are generated at the same time, at
    /// most `maximumParallel`; others wait for their turn.
    public var parallel: Int
    /// Bytes of encoded pictures that are kept for further questions of `LLaVA.ask` and `LLaVA.describe`.
    public var pictureCacheBytes: Int

    /// The prompt template of a model whose text file asks for none; nil if it is not known.
    public var usualTemplate: ChatTemplate?

    /// The most threads that a model can have.
    public static let maximumThreadCount = WorkerPool.maximumThreadCount
    /// The most answers that can be generated at the same time.
    public static let maximumParallel = 1024

    /// All cores and the model's defaults, unless given.
    public init(
        threadCount: Int? = nil, context: Int? = nil,
        visionLimits: VisionLimits = VisionLimits(), automaticRule: AutomaticRule? = nil,
        activationMode: ActivationMode = .pow2, visionPrecision: VisionPrecision = .int8,
        cacheFormat: CacheFormat = .f16,
        packCache: String? = nil, floatEncoding: BlockEncoding? = nil, kernels: String? = nil,
        parallel: Int = 8, pictureCacheBytes: Int = 256 << 20, usualTemplate: ChatTemplate? = nil
    ) {
        self.threadCount = threadCount
        self.context = context
        self.visionLimits = visionLimits
        self.automaticRule = automaticRule
        self.activationMode = activationMode
        self.visionPrecision = visionPrecision
        self.cacheFormat = cacheFormat
        self.packCache = packCache
        self.floatEncoding = floatEncoding
        self.kernels = kernels
        self.parallel = parallel
        self.pictureCacheBytes = pictureCacheBytes
        self.usualTemplate = usualTemplate
    }

    /// - Throws: `GenerationError.invalidOption` for a number outside its range.
    func validate() throws(GenerationError) {
        func check(
            _ number: Int, _ name: String, _ allowed: ClosedRange<Int>
        ) throws(GenerationError) {
            guard !allowed.contains(number) else { return }
            throw .invalidOption(
                name: name, value: "\(number)",
                expected: "\(allowed.lowerBound) to \(allowed.upperBound)")
        }
        if let threadCount {
            try check(threadCount, "the number of threads", 1...Self.maximumThreadCount)
        }
        if let most = visionLimits.mostTiles {
            try check(most, "the most tiles of a picture", 1...Int.max)
        }
        if let most = visionLimits.mostPixels {
            try check(most, "the most pixels of a picture", 1...Int.max)
        }
        let shares = VisionLimits.towerShares
        guard shares.contains(visionLimits.towerShare) else {
            throw .invalidOption(
                name: "the share of patches that the vision tower sees",
                value: "\(visionLimits.towerShare)",
                expected: "\(shares.lowerBound) to \(shares.upperBound)")
        }
        try check(parallel, "the number of parallel answers", 1...Self.maximumParallel)
        try check(pictureCacheBytes, "the number of bytes for encoded pictures", 0...Int.max)
    }
}
