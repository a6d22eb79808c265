// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import Generation
import Imaging
import Pictures
import TrimLLaVA

/// A picture that is ready for the vision tower, or the reason that it is not.
struct LoadedPicture: Sendable {
    /// A picture's tiles and the version of the file that they were read from.
    struct Content: Sendable {
        let tiles: TileBatch
        let version: FileVersion
        let pixels: PixelSize
        let decodingSeconds: Double
        let tilingSeconds: Double
        /// The encoded picture, if it was encoded ahead.
        var encoding: Encoding?
    }

    /// A picture after the vision tower and the projector.
    struct Encoding: Sendable {
        let picture: EncodedPicture
        let seconds: Double
    }

    /// The picture's position among those that are loaded.
    let index: Int
    var result: Result<Content, LoadFailure>
}

/// Why a picture cannot be loaded.
struct LoadFailure: Error {
    let reason: String
}

extension AheadQueue<LoadedPicture> {
    /// Starts loading pictures, in the given order.
    ///
    /// - Parameters:
    ///   - ahead: the most loaded pictures that wait in the queue.
    ///   - orients: whether to turn pictures as their EXIF orientation says.
    convenience init(
        loading pictures: [PictureReference], encoder: any PictureEncoder, orients: Bool,
        ahead: Int
    ) {
        self.init(ahead: ahead, name: "trimllava.pictures") { put in
            let reading = PictureReading(encoder: encoder, orients: orients)
            for (index, picture) in pictures.enumerated() {
                guard put(LoadedPicture(index: index, result: reading.load(picture))) else { break }
            }
        }
    }
}

/// Reads and decodes pictures.
private final class PictureReading {
    private let encoder: any PictureEncoder
    private let orients: Bool
    private let source = PictureSource()

    init(encoder: any PictureEncoder, orients: Bool) {
        self.encoder = encoder
        self.orients = orients
    }

    func load(_ picture: PictureReference) -> Result<LoadedPicture.Content, LoadFailure> {
        do {
            let start = ContinuousClock.now
            let (bytes, version) = try source.read(picture)
            let decoded = try PictureDecoder.decode(
                bytes, name: picture.path.text, applyOrientation: orients)
            let decodedAt = ContinuousClock.now
            let tiles = try encoder.tiles(of: decoded)
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
