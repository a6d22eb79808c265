// SPDX-License-Identifier: Apache-2.0

/// Limits on pictures, checked before memory is allocated.
public enum PictureLimits {
    /// The most pixels: Pillow's limit, a quarter GiB of 24-bit RGB doubled.
    static let pixels = 178_956_970
    /// The most pixels on one side.
    ///
    /// Far above the limits of JPEG (65,535) and WebP (16,383), so it bounds PNG only.
    static let side = 1 << 20
    /// The most bytes of a file: those of the largest picture without compression.
    public static let fileBytes = pixels * 3

    /// Throws if the size in a header is too large.
    static func check(width: Int, height: Int, name: String) throws(ImagingError) {
        let sidesFit = width <= side && height <= side
        guard sidesFit, width * height <= pixels else {
            throw .tooLarge(name: name, width: width, height: height)
        }
    }
}
