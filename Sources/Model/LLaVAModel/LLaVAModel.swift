// SPDX-License-Identifier: Apache-2.0
import GGUF
import Imaging
import TensorOps

/// A LLaVA model: a vision tower, a projector and a text decoder, from a pair of GGUF files.
public final class LLaVAModel: Sendable {
    /// The text decoder.
    public let decoder: Decoder
    /// The vision tower.
    public let vision: VisionTower
    /// The network that turns features into decoder rows.
    public let projector: Projector
    /// The most rows of a sequence: the user's limit, within the trained context.
    public let context: Int
    /// Oddities of the files that do not keep them from running.
    public let warnings: [String]

    /// The arithmetic of its layers.
    public let ops: TensorOps
    /// What prompts start with, kept for the next start; nil without a folder for it.
    public let prefixes: PrefixStore?

    private let newline: [Float]?  // [width]; anyres models only
    private let padding: CLIPPreprocessor
    private let cropping: CLIPPreprocessor

    /// Rows of a sequence where the user sets no limit: room for a LLaVA-NeXT picture (at most 2928
    /// rows with the published grids) and an answer.
    public static let defaultContext = 4096

    /// Checks both files, finds every tensor and rearranges the matrices that need it.
    ///
    /// - Parameters:
    ///   - context: most rows of a sequence; nil for `defaultContext`, or the trained context where
    ///     that is shorter.
    ///   - visionPrecision: how vision tower and projector compute.
    ///   - onProgress: called as matrices are rearranged, and as they are written to a cache.
    /// - Throws: `ModelError`.
    public init(
        text: GGUFFile, projector projectorFile: GGUFFile, ops: TensorOps, context: Int? = nil,
        visionPrecision: VisionPrecision = .float, packing: PackingOptions = PackingOptions(),
        onProgress: @escaping (LoadProgress) -> Void = { _ in }
    ) throws(ModelError) {
        self.ops = ops
        try Self.checkRoles(text: text, projector: projectorFile)
        let textConfig = try DecoderConfig(text.metadata)
        let rows = try Self.checked(context, textConfig, text)
        self.context = rows
        prefixes = packing.cacheFolder.map {
            PrefixStore(folder: $0, of: text, packing, context: rows, ops)
        }
        var packedBytes = 0
        let allBytes = Double(text.byteCount + projectorFile.byteCount)
        let onPacked = { (bytes: Int) in
            packedBytes += bytes
            onProgress(.packing(done: min(1, Double(packedBytes) / allBytes)))
        }
        let textLoader = TensorLoader(
            text, packing, rounding: packing.floatEncoding?.rawValue ?? "none", onPacked: onPacked)
        let weights = try textLoader.decoderWeights(textConfig, context: self.context, ops)
        decoder = Decoder(textConfig, weights, ops)

        let visionLoader = TensorLoader(
            projectorFile, packing, rounding: visionPrecision.rawValue, onPacked: onPacked)
        let config = try VisionConfig(projectorFile)
        vision = VisionTower(
            config, try visionLoader.visionWeights(config, visionPrecision, ops), visionPrecision,
            ops)
        projector = try Projector(config, visionLoader, visionPrecision, ops)
        guard projector.outputWidth == textConfig.width else {
            throw .widthMismatch(
                projector: projectorFile.path, projectorWidth: projector.outputWidth,
                text: text.path, textWidth: textConfig.width)
        }
        newline = try visionLoader.newline(config, width: textConfig.width)
        padding = try Self.preprocessor(
            config, config.cropsToSquare ? .centerCrop : .padToSquare, projectorFile)
        cropping = try Self.preprocessor(config, .centerCrop, projectorFile)
        for loader in [textLoader, visionLoader] {
            loader.saveCache(ops) { onProgress(.storing(done: $0)) }
        }
        warnings =
            [textLoader, visionLoader].flatMap(\.warnings) + textConfig.warnings + config.warnings
    }

    /// Checks that the files are not swapped, which neither file shows alone.
    private static func checkRoles(
        text: GGUFFile, projector: GGUFFile
    ) throws(ModelError) {
        let isProjector = try VisionConfig.isProjector(text.metadata)
        guard isProjector, try !VisionConfig.isProjector(projector.metadata) else { return }
        throw .exchangedFiles(text: text.path, projector: projector.path)
    }

    /// A model whose vision tower and projector compute on other threads; it shares the rest.
    private init(_ model: LLaVAModel, encodingBy ops: TensorOps) {
        decoder = model.decoder
        vision = VisionTower(model.vision, computingBy: ops)
        projector = Projector(model.projector, computingBy: ops)
        (context, warnings, self.ops) = (model.context, model.warnings, ops)
        prefixes = model.prefixes
        newline = model.newline
        (padding, cropping) = (model.padding, model.cropping)
    }

    /// The same model with a vision tower and a projector that compute on `threadCount` threads of their
    /// own, beside this one's.
    public func encodingApart(threadCount: Int) -> LLaVAModel {
        LLaVAModel(self, encodingBy: ops.onOtherThreads(count: threadCount))
    }

    /// The preprocessor that cuts pictures into this model's tiles.
    ///
    /// - Parameter crop: take the middle square as Hugging Face's processor does by default; an
    ///   anyres model (LLaVA-NeXT) always sees the whole picture.
    public func preprocessor(crop: Bool) -> CLIPPreprocessor { crop ? cropping : padding }

    /// The features of all tiles in the decoder's width.
    ///
    /// - Returns: `[tiles · patches, width]`.
    /// - Throws: `ModelError.notFinite`.
    public func project(_ features: Activations) throws(ModelError) -> Activations {
        let projected = projector.project(features)
        guard projected.isFinite else { throw .notFinite(place: "the projector") }
        return projected
    }

    /// The rows that a picture takes in a prompt.
    public func layout(_ geometry: TileGeometry) -> VisualTokenLayout {
        VisualTokenLayout(geometry, hasNewlines: newline != nil)
    }

    /// Puts projected patches and newlines in the given order.
    ///
    /// - Parameter projected: `[tiles · patches, width]`, the base tile first.
    public func pack(
        _ projected: Activations, _ rows: some Collection<VisualTokenLayout.Row>
    ) -> Activations {
        packVisualTokens(projected, rows, newline: newline)
    }

    private static func checked(
        _ context: Int?, _ config: DecoderConfig, _ file: GGUFFile
    ) throws(ModelError) -> Int {
        let trained = config.contextLength
        guard let context else { return min(defaultContext, trained) }
        guard (1...trained).contains(context) else {
            throw .contextOutOfRange(file: file.path, context: context, trained: trained)
        }
        return context
    }

    private static func preprocessor(
        _ config: VisionConfig, _ single: TileLayout, _ file: GGUFFile
    ) throws(ModelError) -> CLIPPreprocessor {
        do {
            return try CLIPPreprocessor(
                tileSide: config.tileSide, patchSide: config.patchSide, mean: config.mean,
                deviation: config.deviation,
                layout: config.pinpoints.isEmpty ? single : .anyres(pinpoints: config.pinpoints))
        } catch {
            throw .invalidValue(
                file: file.path, key: "clip.vision", value: "\(error)",
                expected: "a CLIP picture format")
        }
    }
}

/// Returns what `body` returns, and turns a shortage of memory into an error that names `place`.
func granted<Value>(
    _ place: String, _ body: () throws(MemoryShortage) -> Value
) throws(ModelError) -> Value {
    do { return try body() } catch {
        throw .noMemory(place: place, byteCount: error.byteCount)
    }
}

extension TensorLoader {
    /// The newline row of an anyres model, under any of the names that published files use.
    fileprivate func newline(_ config: VisionConfig, width: Int) throws(ModelError) -> [Float]? {
        guard !config.pinpoints.isEmpty else { return nil }
        for name in TensorNames.Projector.newline where contains(name) {
            return try vector(name, count: width)
        }
        throw .missingTensor(file: file.path, name: TensorNames.Projector.newline[0])
    }

    var unusedTensorWarnings: [String] {
        let names = untakenNames
        guard !names.isEmpty else { return [] }
        let shown = names.prefix(4).joined(separator: ", ")
        let more = names.count > 4 ? ", …" : ""
        let noun = names.count == 1 ? "tensor" : "tensors"
        return ["\(file.path): \(names.count) unused \(noun): \(shown)\(more)"]
    }
}
