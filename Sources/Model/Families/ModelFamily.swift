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

    /// The vision tower.
    var vision: VisionConfig { get }
    /// What becomes of transparent pictures, as in the models' training.
    var transparency: Transparency { get }
    /// What stands between a picture and the text beside it.
    var textBesidePictures: String { get }
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
    ) throws(ModelError) -> TiledEncoder
}

extension ModelFamily {
    package var transparency: Transparency { .dropped }
}

/// All families; the first that takes a file reads it.
private let families: [any ModelFamily.Type] = [
    SmolVLMFamily.self, LLaVAOneVisionFamily.self, LLaVANeXTFamily.self, LLaVAFamily.self,
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
