// SPDX-License-Identifier: Apache-2.0
import Decoder
import GGUF
import Pictures
import TensorOps
import TokenPruning
import Tokenization
import Weights

/// A model that reads pictures and text, from a pair of GGUF files, or text alone, from one.
public final class LLaVAModel: Sendable {
    /// The text decoder.
    public let decoder: Decoder
    /// The most rows of a sequence: the user's limit, within the trained context.
    public let context: Int
    /// Oddities of the files that do not keep them from running.
    public let warnings: [String]

    /// How many visual tokens automatic budgets keep.
    public let automaticRule: AutomaticRule
    /// The arithmetic of its layers.
    public let ops: TensorOps
    /// What prompts start with, kept for the next start; nil without a folder for it.
    public let prefixes: PrefixStore?

    /// What turns pictures into rows of the decoder's width.
    private struct Encoders {
        let whole: any PictureEncoder
        /// For middle squares; nil where pictures are always seen whole.
        let cropping: (any PictureEncoder)?
        /// For pictures that come together.
        let several: any PictureEncoder
        /// For the frames of a video, whose tiles any of them encodes.
        let video: (any VideoTiling)?
    }

    private let encoders: Encoders?
    /// What users may limit about pictures, whatever the limits are that it was loaded with.
    package let pictureLimit: PictureLimit?
    /// What stands between a picture and the text beside it.
    package let textBesidePictures: String
    private let files: PairFiles

    /// Rows of a sequence where the user sets no limit, and no picture needs more: room for a LLaVA-NeXT picture (at
    /// most 2928 rows with the published grids) and an answer.
    public static let defaultContext = 4096
    /// What is left for text beside a larger picture.
    private static let rowsBesidePicture = 1024

    /// Rows of a sequence where the user sets no limit.
    ///
    /// - Parameter pictures: the largest that there may be.
    package static func defaultContext(
        _ pictures: [PicturePlan], trained: Int
    ) -> Int {
        min(max(defaultContext, pictures.mostRows(within: nil) + rowsBesidePicture), trained)
    }

    /// Checks the files, finds every tensor and rearranges the matrices that need it.
    ///
    /// - Parameters:
    ///   - projector: the mmproj file; nil for a model that reads text alone.
    ///   - tokenizer: that of the text file; nil to read it where a family has markers in its pictures.
    ///   - limits: how much of a picture the model sees at most.
    ///   - context: most rows of a sequence; nil for `defaultContext`, or room for the largest
    ///     picture where that is more, within the trained context.
    ///   - automaticRule: how many visual tokens automatic budgets keep.
    ///   - visionPrecision: how vision tower and projector compute.
    ///   - onProgress: called as matrices are rearranged, and as they are written to a cache.
    /// - Throws: `ModelError`.
    public init(
        text: GGUFFile, projector projectorFile: GGUFFile?, tokenizer: Tokenizer? = nil,
        ops: TensorOps, context: Int? = nil, limits: VisionLimits = VisionLimits(),
        automaticRule: AutomaticRule = .drawnScenes,
        visionPrecision: VisionPrecision = .float, packing: PackingOptions = PackingOptions(),
        onProgress: @escaping (LoadProgress) -> Void = { _ in }
    ) throws(ModelError) {
        self.ops = ops
        self.automaticRule = automaticRule
        let textConfig = try Self.decoderConfig(text, beside: projectorFile)
        let family = try projectorFile?.family()
        files = PairFiles(text: text.path, projector: projectorFile?.path ?? "")
        try family?.check(textConfig, files)
        let markers = MarkerTokens(text, beside: files.projector, tokenizer)
        let pictures = try family?.tiling(TilingOptions(limits), markers).largestPlans ?? []
        pictureLimit = try family?.tiling(TilingOptions(), markers).limit
        let rows = try Self.checked(context, pictures, textConfig, text)
        self.context = rows
        prefixes = packing.cacheFolder.map {
            PrefixStore(folder: $0, of: text, packing, context: rows, ops)
        }
        textBesidePictures = family?.textBesidePictures ?? "\n"
        var packedBytes = 0
        let allBytes = Double(text.byteCount + (projectorFile?.byteCount ?? 0))
        let onPacked = { (bytes: Int) in
            packedBytes += bytes
            onProgress(.packing(done: min(1, Double(packedBytes) / allBytes)))
        }
        let textLoader = TensorLoader(
            text, packing, rounding: packing.floatEncoding?.rawValue ?? "none", onPacked: onPacked)
        decoder = try Decoder(textConfig, textLoader, context: self.context, ops)

        var loaders = [textLoader]
        if let projectorFile, let family {
            let loader = TensorLoader(
                projectorFile, packing, rounding: visionPrecision.rawValue, onPacked: onPacked)
            loaders.append(loader)
            func tiling(
                crop: Bool = false, isAmongSeveral: Bool = false
            ) throws(ModelError) -> any PictureTiling {
                try family.tiling(
                    TilingOptions(crop: crop, limits, isAmongSeveral: isAmongSeveral), markers)
            }
            let encoder = try family.encoder(tiling(), loader, visionPrecision, ops)
                .seeing(limits.towerShare)
            guard encoder.outputWidth == textConfig.pictureRowWidth else {
                throw files.mismatch(
                    .width(projector: encoder.outputWidth, text: textConfig.pictureRowWidth))
            }
            encoders = Encoders(
                whole: encoder,
                cropping: family.canCrop ? encoder.cutting(try tiling(crop: true)) : nil,
                several: encoder.cutting(try tiling(isAmongSeveral: true)),
                video: family.video)
        } else {
            encoders = nil
        }
        for loader in loaders {
            loader.saveCache(ops) { onProgress(.storing(done: $0)) }
        }
        warnings =
            loaders.flatMap(\.warnings) + textConfig.warnings + (family?.warnings ?? [])
    }

    /// Whether it reads pictures.
    public var seesPictures: Bool { encoders != nil }

    /// What turns pictures into rows of the decoder's width, as the model was trained.
    ///
    /// - Throws: `ModelError.noProjector` for a model that reads text alone.
    public var pictureEncoder: any PictureEncoder {
        get throws(ModelError) { try pictureEncoder(crop: false) }
    }

    /// What turns pictures into rows.
    ///
    /// - Parameters:
    ///   - crop: take the middle square, as Hugging Face's processor does by default for LLaVA-1.5.
    ///   - count: pictures that come together; LLaVA-OneVision sees several in less detail.
    /// - Throws: `ModelError.noProjector` for a model that reads text alone, `ModelError.cannotCrop` for one that sees
    ///   whole pictures.
    public func pictureEncoder(
        crop: Bool, pictures count: Int = 1
    ) throws(ModelError) -> any PictureEncoder {
        guard let encoders else { throw .noProjector(text: files.text) }
        if crop {
            guard let cropping = encoders.cropping else {
                throw .cannotCrop(projector: files.projector)
            }
            return cropping
        }
        return count > 1 ? encoders.several : encoders.whole
    }

    /// How the frames of a video become tiles.
    ///
    /// - Throws: `ModelError.noProjector` for a model that reads text alone, `ModelError.noVideos` for one that was not
    ///   trained on videos, or on their frames as pictures.
    public var videoTiling: any VideoTiling {
        get throws(ModelError) {
            guard let encoders else { throw .noProjector(text: files.text) }
            guard let video = encoders.video else { throw .noVideos(projector: files.projector) }
            return video
        }
    }

    /// What a text model's metadata say, once it is known that neither file has the other's place.
    ///
    /// - Throws: `ModelError`.
    @discardableResult
    package static func decoderConfig(
        _ text: GGUFFile, beside projector: GGUFFile?
    ) throws(ModelError) -> DecoderConfig {
        if let projector { try text.checkRole(beside: projector) }
        return try text.decoderConfig()
    }

    private static func checked(
        _ context: Int?, _ pictures: [PicturePlan], _ config: DecoderConfig, _ file: GGUFFile
    ) throws(ModelError) -> Int {
        let trained = config.contextLength
        guard let context else { return defaultContext(pictures, trained: trained) }
        guard (1...trained).contains(context) else {
            throw .contextOutOfRange(file: file.path, context: context, trained: trained)
        }
        return context
    }
}
