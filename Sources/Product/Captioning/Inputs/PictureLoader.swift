// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Imaging
import Pictures
import Synchronization
import TrimLLaVA

/// What a picture's file held.
struct LoadedPicture: Sendable {
    /// The version of the file that was read.
    let version: FileVersion
    let pixels: PixelSize
    /// Seconds of reading and decoding.
    let decodingSeconds: Double
    let tilingSeconds: Double
}

/// Why a picture cannot be loaded.
struct LoadFailure: Error {
    let reason: String
}

/// Reads and decodes pictures, and cuts them into tiles.
final class PictureLoader: Sendable {
    private let encoder: any PictureEncoder
    private let orients: Bool
    private let files = Mutex(PictureFiles())

    /// - Parameter orients: whether to turn pictures as their EXIF orientation says.
    init(encoder: any PictureEncoder, orients: Bool) {
        self.encoder = encoder
        self.orients = orients
    }

    /// A picture's tiles.
    ///
    /// Members of one archive are fastest in their order.
    func load(_ picture: PictureReference) throws(LoadFailure) -> (TileBatch, LoadedPicture) {
        do {
            let start = ContinuousClock.now
            let (bytes, version) = try files.withLock { try $0.read(picture) }
            let decoded = try PictureDecoder.decode(
                bytes, name: picture.path.text, applyOrientation: orients,
                transparency: encoder.transparency)
            let decodedAt = ContinuousClock.now
            let tiles = try encoder.tiles(of: decoded)
            return (
                tiles,
                LoadedPicture(
                    version: version, pixels: decoded.size,
                    decodingSeconds: (decodedAt - start) / .seconds(1),
                    tilingSeconds: (ContinuousClock.now - decodedAt) / .seconds(1))
            )
        } catch let error as LoadFailure {
            throw error
        } catch {
            throw LoadFailure(reason: "\(error)")
        }
    }
}
