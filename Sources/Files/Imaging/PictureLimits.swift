// SPDX-License-Identifier: Apache-2.0

/// What a picture may announce before any memory is taken for it.
public enum PictureLimits {
    /// The most pixels: Pillow's limit, a quarter GiB of 24-bit RGB doubled.
    static let pixels = 178_956_970
    /// The most pixels on one side: far above JPEG (65,535) and WebP (16,383); only PNG can say more.
    static let side = 1 << 20
    /// The most bytes of a file: an uncompressed picture of the greatest size.
    public static let fileBytes = pixels * 3

    /// Accepts a size that a header announces, or says that it is too large.
    static func check(width: Int, height: Int, name: String) throws(ImagingError) {
        let sidesFit = width <= side && height <= side
        guard sidesFit, width * height <= pixels else {
            throw .tooLarge(name: name, width: width, height: height)
        }
    }
}
