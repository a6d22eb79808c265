// SPDX-License-Identifier: Apache-2.0
import Foundation
import Generation
import Imaging
import TrimLLaVA

/// A picture that is ready for the vision tower, or why it is not.
struct LoadedPicture: Sendable {
    /// A picture's tiles and what its file was when they were read.
    struct Content: Sendable {
        let tiles: TileBatch
        let version: FileVersion
        let pixels: PixelSize
        let decodingSeconds: Double
        let tilingSeconds: Double
        /// The picture as the decoder needs it, where that was done ahead.
        var encoding: Encoding?
    }

    /// A picture that has gone through the vision tower and the projector.
    struct Encoding: Sendable {
        let picture: EncodedPicture
        let seconds: Double
    }

    /// The picture's place among those that are loaded.
    let index: Int
    var result: Result<Content, LoadFailure>
}

/// Why a picture cannot be loaded.
struct LoadFailure: Error {
    let reason: String
}

extension AheadQueue<LoadedPicture> {
    /// Starts to load pictures, in this order.
    ///
    /// - Parameters:
    ///   - ahead: the most loaded pictures that wait.
    ///   - orients: whether pictures are turned as their EXIF orientation says.
    convenience init(
        loading pictures: [PictureReference], preprocessor: CLIPPreprocessor, orients: Bool,
        ahead: Int
    ) {
        self.init(ahead: ahead, name: "trimllava.pictures") { put in
            let reading = PictureReading(preprocessor: preprocessor, orients: orients)
            for (index, picture) in pictures.enumerated() {
                guard put(LoadedPicture(index: index, result: reading.load(picture))) else { break }
            }
        }
    }
}

/// Reads and decodes pictures.
private final class PictureReading {
    private let preprocessor: CLIPPreprocessor
    private let orients: Bool
    private let source = PictureSource()

    init(preprocessor: CLIPPreprocessor, orients: Bool) {
        self.preprocessor = preprocessor
        self.orients = orients
    }

    func load(_ picture: PictureReference) -> Result<LoadedPicture.Content, LoadFailure> {
        do {
            let start = ContinuousClock.now
            let (bytes, version) = try source.read(picture)
            let decoded = try PictureDecoder.decode(
                bytes, name: picture.path.text, applyOrientation: orients)
            let decodedAt = ContinuousClock.now
            let tiles = try preprocessor.tiles(of: decoded)
            return .success(
                LoadedPicture.Content(
                    tiles: tiles, version: version, pixels: decoded.size,
                    decodingSeconds: (decodedAt - start) / .seconds(1),
                    tilingSeconds: (ContinuousClock.now - decodedAt) / .seconds(1)))
        } catch let error as LoadFailure {
            return .failure(error)
        } catch {
            return .failure(LoadFailure(reason: "\(error)"))
        }
    }
}
