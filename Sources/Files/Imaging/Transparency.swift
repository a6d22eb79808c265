// SPDX-License-Identifier: Apache-2.0

/// What becomes of the transparency of a picture.
public enum Transparency: Sendable, Hashable, CaseIterable {
    /// Alpha is dropped, and pixels keep the colours under it: Pillow's `convert("RGB")`, as for LLaVA.
    case dropped
    /// The picture is laid on white: Pillow's `alpha_composite`, as for SmolVLM.
    case onWhite
}

extension Picture {
    /// A picture laid on white.
    ///
    /// - Parameters:
    ///   - name: the picture's name in errors.
    ///   - fill: writes all samples, `[height, width, 4]`: red, green, blue and alpha.
    /// - Precondition: both sides are positive.
    init(
        onWhite size: PixelSize, name: String,
        fill: (UnsafeMutableBufferPointer<UInt8>) throws(ImagingError) -> Void
    ) throws(ImagingError) {
        let count = size.width * size.height
        let samples = try SampleBuffer<UInt8>(count: count * 4, name: name)
        let source = samples.numbers
        try fill(source)
        try self.init(size, name: name) { pixels in
            for pixel in 0..<count {
                let alpha = UInt32(source[pixel * 4 + 3])
                for channel in 0..<3 {
                    pixels[pixel * 3 + channel] = onWhite(source[pixel * 4 + channel], alpha)
                }
            }
        }
    }
}

/// A sample over 255, with Pillow's rounding (`libImaging/AlphaComposite.c`): to nearest, with 7 bits after the point.
private func onWhite(_ sample: UInt8, _ alpha: UInt32) -> UInt8 {
    let sum = (UInt32(sample) * alpha + 255 * (255 - alpha) + 128) << 7
    return UInt8(truncatingIfNeeded: ((sum >> 8) + sum) >> 15)
}
