// SPDX-License-Identifier: Apache-2.0
import Decoder
import GGUF
import Pictures
import TensorOps
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

    /// The arithmetic of its layers.
    public let ops: TensorOps
    /// What prompts start with, kept for the next start; nil without a folder for it.
    public let prefixes: PrefixStore?

    /// What turns pictures into rows of the decoder's width: whole, and their middle squares.
    private let encoders: (whole: any PictureEncoder, cropping: any PictureEncoder)?
    /// What stands between a picture and the text beside it.
    package let textBesidePictures: String
    private let textFile: String

    /// Rows of a sequence where the user sets no limit: room for a LLaVA-NeXT picture (at most 2928
    /// rows with the published grids) and an answer.
    public static let defaultContext = 4096

    /// Checks the files, finds every tensor and rearranges the matrices that need it.
    ///
    /// - Parameters:
    ///   - projector: the mmproj file; nil for a model that reads text alone.
    ///   - tokenizer: that of the text file; nil to read it where a family has markers in its pictures.
    ///   - mostTiles: the most tiles that a picture is cut into; nil for as many as the model was trained on.
    ///   - context: most rows of a sequence; nil for `defaultContext`, or the trained context where
    ///     that is shorter.
    ///   - visionPrecision: how vision tower and projector compute.
    ///   - onProgress: called as matrices are rearranged, and as they are written to a cache.
    /// - Throws: `ModelError`.
    public init(
        text: GGUFFile, projector projectorFile: GGUFFile?, tokenizer: Tokenizer? = nil,
        ops: TensorOps, context: Int? = nil, mostTiles: Int? = nil,
        visionPrecision: VisionPrecision = .float, packing: PackingOptions = PackingOptions(),
        onProgress: @escaping (LoadProgress) -> Void = { _ in }
    ) throws(ModelError) {
        self.ops = ops
        textFile = text.path
        let textConfig = try Self.decoderConfig(text, beside: projectorFile)
        let rows = try Self.checked(context, textConfig, text)
        self.context = rows
        prefixes = packing.cacheFolder.map {
            PrefixStore(folder: $0, of: text, packing, context: rows, ops)
        }
        let family = try projectorFile?.family()
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
            let markers = MarkerTokens(text, tokenizer)
            func tiling(crop: Bool) throws(ModelError) -> any PictureTiling {
                try family.tiling(TilingOptions(crop: crop, mostTiles: mostTiles), markers)
            }
            let encoder = try family.encoder(tiling(crop: false), loader, visionPrecision, ops)
            guard encoder.outputWidth == textConfig.pictureRowWidth else {
                throw .widthMismatch(
                    projector: projectorFile.path, projectorWidth: encoder.outputWidth,
                    text: text.path, textWidth: textConfig.pictureRowWidth)
            }
            encoders = (encoder, encoder.cutting(try tiling(crop: true)))
        } else {
            encoders = nil
        }
        for loader in loaders {
            loader.saveCache(ops) { onProgress(.storing(done: $0)) }
        }
        warnings =
            loaders.flatMap(\.warnings) + textConfig.warnings + (family?.vision.warnings ?? [])
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
    /// - Parameter crop: take the middle square, as Hugging Face's processor does by default for LLaVA-1.5; an
    ///   anyres model (LLaVA-NeXT) always sees the whole picture.
    /// - Throws: `ModelError.noProjector` for a model that reads text alone.
    public func pictureEncoder(crop: Bool) throws(ModelError) -> any PictureEncoder {
        guard let encoders else { throw .noProjector(text: textFile) }
        return crop ? encoders.cropping : encoders.whole
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
        _ context: Int?, _ config: DecoderConfig, _ file: GGUFFile
    ) throws(ModelError) -> Int {
        let trained = config.contextLength
        guard let context else { return min(defaultContext, trained) }
        guard (1...trained).contains(context) else {
            throw .contextOutOfRange(file: file.path, context: context, trained: trained)
        }
        return context
    }
}
