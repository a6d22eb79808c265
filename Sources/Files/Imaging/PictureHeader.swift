// SPDX-License-Identifier: Apache-2.0

extension PictureDecoder {
    /// The size that a picture in memory will have, by its header; no pixel is decoded.
    ///
    /// - Parameters:
    ///   - bytes: The content of a JPEG, PNG or WebP file.
    ///   - name: Its name in errors.
    ///   - applyOrientation: Whether the picture will be turned as its EXIF or XMP metadata says.
    /// - Throws: `ImagingError`, with the name in it; also for a picture with more pixels than `decode` accepts.
    public static func size(
        of bytes: [UInt8], name: String, applyOrientation: Bool = true
    ) throws(ImagingError) -> PixelSize {
        let (size, orientation): (PixelSize, Orientation) =
            switch try format(of: bytes, name: name) {
            case .jpeg: try JPEGDecoder.header(of: bytes, name: name)
            case .png: try PNGDecoder.header(of: bytes, name: name)
            case .webp: try WebPDecoder.header(of: bytes, name: name)
            case .other(let kind): throw .unsupported(name: name, kind: kind)
            case .noPicture(let kind): throw .notPicture(name: name, kind: kind)
            }
        try PictureLimits.check(width: size.width, height: size.height, name: name)
        guard applyOrientation, orientation.swapsSides else { return size }
        return PixelSize(width: size.height, height: size.width)
    }
}
