// SPDX-License-Identifier: Apache-2.0
import Decoder
import GGUF
import Imaging
import Pictures
import TensorOps
import Weights

/// How pictures enter the models of one family, read from the metadata of an mmproj file; no weight is touched.
package protocol ModelFamily: Sendable {
    /// Reads an mmproj file; nil for one of another family.
    ///
    /// - Throws: `ModelError` for a file of this family that nothing here computes.
    init?(_ projector: GGUFFile) throws(ModelError)

    /// Blocks of the vision tower that run.
    var blockCount: Int { get }
    /// Oddities of the file that do not keep it from running.
    var warnings: [String] { get }
    /// Bytes of the largest activations of the vision tower.
    ///
    /// - Parameter plan: what is encoded.
    func activationBytes(_ plan: PicturePlan) -> Int
    /// Bytes of a picture's pixels and of what is computed of them for the decoder and for selectors.
    ///
    /// - Parameters:
    ///   - width: the decoder's.
    ///   - isPruned: whether selectors look at the tower's features.
    func bytes(_ plan: PicturePlan, width: Int, isPruned: Bool) -> Int
    /// What becomes of transparent pictures, as in the models' training.
    var transparency: Transparency { get }
    /// What stands between a picture and the text beside it.
    var textBesidePictures: String { get }
    /// The decoders that its projectors were trained with.
    var decoders: [DecoderConfig.Architecture] { get }
    /// Whether pictures may be cropped to their middle squares.
    var canCrop: Bool { get }
    /// How the frames of a video become tiles; nil for models that were trained on pictures alone, or on frames as
    /// pictures.
    var video: (any VideoTiling)? { get }
    /// How pictures become tiles.
    ///
    /// - Parameter markers: the tokens of the texts around and in pictures.
    /// - Throws: `ModelError` for a text model that lacks a marker.
    func tiling(
        _ options: TilingOptions, _ markers: MarkerTokens
    ) throws(ModelError) -> any PictureTiling
    /// Takes the encoder's weights from the file.
    ///
    /// - Throws: `ModelError`.
    func encoder(
        _ tiling: any PictureTiling, _ loader: TensorLoader, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) throws(ModelError) -> any TilingEncoder
}

extension ModelFamily {
    package var transparency: Transparency { .dropped }
    package var canCrop: Bool { false }
    package var video: (any VideoTiling)? { nil }
    /// Those that place the rows of a picture one after the other, as text.
    package var decoders: [DecoderConfig.Architecture] {
        DecoderConfig.Architecture.allCases.filter { !$0.needsSections }
    }

    /// Checks that a text model may have been trained with a projector.
    ///
    /// - Throws: `ModelError.mismatchedPair`.
    func check(_ text: DecoderConfig, _ files: PairFiles) throws(ModelError) {
        guard !decoders.contains(text.architecture) else { return }
        throw files.mismatch(
            .architecture(text.architecture.rawValue, expected: decoders.map(\.rawValue)))
    }
}

/// The paths of a text model and of a projector's file, for errors.
struct PairFiles {
    let text: String
    let projector: String

    /// The error of two files that do not belong together.
    func mismatch(_ why: PairMismatch) -> ModelError {
        .mismatchedPair(projector: projector, text: text, why: why)
    }
}

/// A family whose vision tower reads square tiles.
package protocol TiledFamily: ModelFamily {
    /// The vision tower.
    var vision: VisionConfig { get }
}

extension TiledFamily {
    package var blockCount: Int { vision.blockCount }
    package var warnings: [String] { vision.warnings }
    package func activationBytes(_: PicturePlan) -> Int { vision.activationBytes }
    package func bytes(_ plan: PicturePlan, width: Int, isPruned: Bool) -> Int {
        let tile = 3 * vision.tileSide * vision.tileSide
        // Selectors make a copy of the features with unit length.
        let features = isPruned ? 2 * vision.patchCount * vision.featureWidth : 0
        let numbers = plan.tiles.count * (tile + features) + plan.mostCellCount * width
        return numbers * MemoryLayout<Float>.stride
    }
}

/// All families; the first that takes a file reads it.
private let families: [any ModelFamily.Type] = [
    SmolVLMFamily.self, QwenVLFamily.self, LLaVAOneVisionFamily.self, LLaVANeXTFamily.self,
    LLaVAFamily.self,
]

/// What `general.architecture` is in files of vision towers and projectors.
private let projectorArchitecture = "clip"

extension GGUFFile {
    /// The family of an mmproj file.
    ///
    /// - Throws: `ModelError` for other files, and for other towers and projectors.
    package func family() throws(ModelError) -> any ModelFamily {
        let general = Hyperparameters(metadata: metadata, prefix: "general")
        let name = try architecture()
        guard name == projectorArchitecture else {
            if DecoderConfig.Architecture(rawValue: name) != nil { throw .notProjector(file: path) }
            throw general.unsupported(
                "architecture", name, supported: "\(projectorArchitecture) (an mmproj)")
        }
        try general.checkIsModel()
        for family in families {
            if let family = try family.init(self) { return family }
        }
        preconditionFailure("LLaVA's takes every file that is left")
    }

    /// The shape of a text model's decoder.
    ///
    /// - Throws: `ModelError` for other files, and for other decoders.
    package func decoderConfig() throws(ModelError) -> DecoderConfig {
        guard try architecture() != projectorArchitecture else { throw .notTextModel(file: path) }
        return try DecoderConfig(metadata)
    }

    /// Checks that a text model and its mmproj file are not swapped, which neither file shows alone.
    func checkRole(beside projector: GGUFFile) throws(ModelError) {
        guard try architecture() == projectorArchitecture,
            try projector.architecture() != projectorArchitecture
        else { return }
        throw .exchangedFiles(text: path, projector: projector.path)
    }

    private func architecture() throws(ModelError) -> String {
        try Hyperparameters(metadata: metadata, prefix: "general")
            .string(ifPresent: "architecture") ?? "missing"
    }
}
