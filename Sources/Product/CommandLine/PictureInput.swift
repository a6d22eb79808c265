// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA

/// Decoded pictures and how long that took.
struct PictureInput {
    let pictures: [Picture]
    let seconds: Double

    /// Decodes files; `-` is standard input.
    static func load(_ paths: [String], orients: Bool) throws(ImagingError) -> PictureInput {
        let start = ContinuousClock.now
        var pictures: [Picture] = []
        for path in paths {
            pictures.append(try PictureDecoder.load(path: path, applyOrientation: orients))
        }
        return PictureInput(
            pictures: pictures, seconds: (ContinuousClock.now - start) / .seconds(1))
    }
}
