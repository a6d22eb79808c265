// SPDX-License-Identifier: Apache-2.0
import Generation
import Imaging
import Pictures

/// A picture that a question is about: decoded already, or the file that it is in.
///
/// A file whose content was asked about lately is neither decoded nor encoded again, whatever it is called. A
/// decoded picture is encoded for every question.
public struct PictureSource: Sendable {
    private enum Content: Sendable {
        case decoded(Picture)
        case file(path: String)
        case bytes([UInt8], name: String)
    }

    private let content: Content
    private let isOriented: Bool

    /// A picture in memory.
    public static func picture(_ picture: Picture) -> PictureSource {
        PictureSource(content: .decoded(picture), isOriented: false)
    }

    /// A JPEG, PNG or WebP file, which is read when the answer is asked for.
    ///
    /// - Parameter applyOrientation: whether to turn the picture as its EXIF data or XMP say.
    public static func file(_ path: String, applyOrientation: Bool = true) -> PictureSource {
        PictureSource(content: .file(path: path), isOriented: applyOrientation)
    }

    /// The content of a JPEG, PNG or WebP file.
    ///
    /// - Parameters:
    ///   - name: what errors call it.
    ///   - applyOrientation: whether to turn the picture as its EXIF data or XMP say.
    public static func bytes(
        _ bytes: [UInt8], name: String = "a picture", applyOrientation: Bool = true
    ) -> PictureSource {
        PictureSource(content: .bytes(bytes, name: name), isOriented: applyOrientation)
    }

    /// What an engine makes tiles of, and knows the picture by.
    ///
    /// - Throws: `ImagingError` when the file cannot be read, or is none of a picture.
    package func engineInput(_ encoder: any PictureEncoder) throws(ImagingError) -> Engine.Picture {
        switch content {
        case .decoded(let picture):
            return Engine.Picture { () throws(GenerationError) in
                try pictured { () throws(ImagingError) in try encoder.tiles(of: picture) }
            }
        case .file(let path):
            return input(try PictureDecoder.contents(path: path), name: path, encoder)
        case .bytes(let bytes, let name):
            return input(bytes, name: name, encoder)
        }
    }

    private func input(
        _ bytes: [UInt8], name: String, _ encoder: any PictureEncoder
    ) -> Engine.Picture {
        Engine.Picture(key: key(of: bytes, encoder)) { () throws(GenerationError) in
            try pictured { () throws(ImagingError) in
                try encoder.tiles(
                    of: PictureDecoder.decode(
                        bytes, name: name, applyOrientation: isOriented,
                        transparency: encoder.transparency))
            }
        }
    }

    /// A digest of a file and of what its tiles depend on besides; an engine has one model.
    private func key(of bytes: [UInt8], _ encoder: any PictureEncoder) -> PictureKey {
        let settings = "\(encoder.tilingDescription) \(isOriented)"
        return PictureKey(
            digest: ContentHash.bytes(of: ContentHash.bytes(of: bytes) + settings.utf8))
    }
}

/// Calls `body` and wraps what a picture's decoder throws.
package func pictured<Value>(
    _ body: () throws(ImagingError) -> Value
) throws(GenerationError) -> Value {
    do { return try body() } catch { throw .picture(error) }
}
