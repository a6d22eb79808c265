// SPDX-License-Identifier: Apache-2.0

/// Reads JPEG, PNG and WebP pictures as 8-bit RGB, equal to what Pillow's `convert("RGB")` gives.
///
/// Colour profiles and gamma are not applied, and the first frame of an animation is used.
/// 16-bit samples keep their high byte. Pillow clips grey ones instead, which turns nearly every such picture
/// white.
public enum PictureDecoder {
    /// Reads a file, or standard input when the path is `-`.
    ///
    /// - Parameters:
    ///   - path: The file; its extension does not matter.
    ///   - applyOrientation: Whether to turn the picture as its EXIF or XMP metadata says.
    ///   - transparency: What becomes of alpha.
    /// - Throws: `ImagingError`, with the path in it.
    public static func load(
        path: String, applyOrientation: Bool = true, transparency: Transparency = .dropped
    ) throws(ImagingError) -> Picture {
        let bytes = try contents(path: path)
        return try decode(
            bytes, name: name(of: path), applyOrientation: applyOrientation,
            transparency: transparency)
    }

    /// Reads a file, or standard input when the path is `-`, for later decoding.
    ///
    /// - Throws: `ImagingError`, with the path in it.
    package static func contents(path: String) throws(ImagingError) -> [UInt8] {
        try PictureFile.contents(path: path, name: name(of: path))
    }

    private static func name(of path: String) -> String { path == "-" ? "standard input" : path }

    /// Reads an open file for later decoding.
    ///
    /// A file that does not begin like a picture is refused after its first bytes.
    ///
    /// - Parameters:
    ///   - descriptor: The file, which stays open.
    ///   - name: Its name in errors.
    /// - Throws: `ImagingError`, with the name in it.
    public static func contents(
        of descriptor: Int32, name: String
    ) throws(ImagingError) -> [UInt8] {
        try PictureFile.contents(of: descriptor, name: name)
    }

    /// Decodes a picture that is in memory.
    ///
    /// - Parameters:
    ///   - bytes: The content of a JPEG, PNG or WebP file.
    ///   - name: Its name in errors.
    ///   - applyOrientation: Whether to turn the picture as its EXIF or XMP metadata says.
    ///   - transparency: What becomes of alpha.
    /// - Throws: `ImagingError`, with the name in it.
    public static func decode(
        _ bytes: [UInt8], name: String, applyOrientation: Bool = true,
        transparency: Transparency = .dropped
    ) throws(ImagingError) -> Picture {
        let decoded: DecodedPicture =
            switch try format(of: bytes, name: name) {
            case .jpeg: try JPEGDecoder.decode(bytes, name: name)
            case .png: try PNGDecoder.decode(bytes, transparency, name: name)
            case .webp: try WebPDecoder.decode(bytes, transparency, name: name)
            case .other(let kind): throw .unsupported(name: name, kind: kind)
            case .noPicture(let kind): throw .notPicture(name: name, kind: kind)
            }
        guard applyOrientation else { return decoded.picture }
        return try decoded.picture.turned(decoded.orientation, name: name)
    }

    /// The format of the content, or an error that says what the content is.
    static func format(
        of prefix: some Collection<UInt8>, name: String
    ) throws(ImagingError) -> PictureFormat {
        guard !prefix.isEmpty else { throw .empty(name: name) }
        guard let format = PictureFormat(prefix: prefix) else { throw .unknownFormat(name: name) }
        return format
    }
}

/// A picture as it is stored, and how it must be turned to be upright.
struct DecodedPicture {
    let picture: Picture
    let orientation: Orientation
}
