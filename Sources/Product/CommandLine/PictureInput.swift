// SPDX-License-Identifier: Apache-2.0
import Imaging
import TrimLLaVA

/// Decoded pictures, their names, and the time that decoding took.
struct PictureInput {
    private(set) var pictures: [Picture] = []
    private(set) var names: [String] = []
    private(set) var seconds = 0.0

    /// Whether to turn pictures as their EXIF orientation says.
    let orients: Bool

    /// No pictures yet.
    init(orients: Bool) {
        self.orients = orients
    }

    /// Decodes a file; `-` is standard input.
    mutating func load(_ path: String) throws(ImagingError) {
        let start = ContinuousClock.now
        pictures.append(try PictureDecoder.load(path: path, applyOrientation: orients))
        names.append(path)
        seconds += (ContinuousClock.now - start) / .seconds(1)
    }

    /// Forgets all pictures.
    mutating func removeAll() { self = PictureInput(orients: orients) }
}
