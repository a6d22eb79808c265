// SPDX-License-Identifier: Apache-2.0
import Foundation
import Imaging
import TrimLLaVA

/// Reads the pictures that requests carry or point to.
struct PictureReader: Sendable {
    let limits: ServingLimits
    /// Where `file://` addresses may lead, without symbolic links; nil for nowhere.
    let mediaFolder: String?

    /// A picture as it came, and the size that it will have.
    struct Input: Sendable {
        let source: PictureSource
        let size: PixelSize
        let byteCount: Int
    }

    /// The picture at an address: a data URL, base64 alone, or a file below the folder for media.
    ///
    /// - Parameter place: where the address is in the body.
    func picture(at address: String, place: String) throws(APIError) -> Input {
        let start = address.prefix(5).lowercased()
        if start == "data:" { return try input(Self.content(ofDataURL: address, place), place) }
        if start == "file:" { return try input(file(address, place), place) }
        if address.contains("://") || address.hasPrefix("//") {
            throw .invalid(
                """
                \(place): pictures are not fetched from other machines; send the picture itself, as \
                data:image/jpeg;base64,…\(mediaFolder == nil ? "" : ", or a file:// address below the folder for media")
                """, param: place)
        }
        return try picture(base64: address, place: place)
    }

    /// The picture in a text of base64, with or without the start of a data URL.
    func picture(base64: String, place: String) throws(APIError) -> Input {
        if base64.prefix(5).lowercased() == "data:" {
            return try input(Self.content(ofDataURL: base64, place), place)
        }
        return try input(Self.decoded(base64.utf8, place), place)
    }

    private func input(_ bytes: [UInt8], _ place: String) throws(APIError) -> Input {
        guard bytes.count <= limits.pictureBytes else {
            throw .invalid(
                "\(place): the picture has \(bytes.count) bytes, expected at most \(limits.pictureBytes)",
                param: place)
        }
        let size: PixelSize
        do {
            size = try PictureDecoder.size(of: bytes, name: place)
        } catch {
            throw APIError(.picture(error), param: place)
        }
        guard size.width * size.height <= limits.picturePixels else {
            throw .invalid(
                "\(place): the picture has \(size) pixels, expected at most \(limits.picturePixels)",
                param: place)
        }
        return Input(
            source: .bytes(bytes, name: place), size: size, byteCount: bytes.count)
    }

    /// What follows the comma of `data:image/png;base64,…` (RFC 2397).
    ///
    /// The content tells what it is; a wrong type does no harm.
    private static func content(
        ofDataURL address: String, _ place: String
    ) throws(APIError) -> [UInt8] {
        let bytes = address.utf8
        guard let comma = bytes.firstIndex(of: UInt8(ascii: ",")) else {
            throw .invalid("\(place): the data URL has no comma", param: place)
        }
        let head = address[..<comma].lowercased()
        guard head.hasSuffix(";base64") else {
            throw .invalid(
                "\(place): the data URL is not base64, expected data:image/…;base64,…", param: place
            )
        }
        return try decoded(bytes[bytes.index(after: comma)...], place)
    }

    /// The bytes that base64 stands for: either alphabet, white space and missing padding are accepted.
    private static func decoded(
        _ text: some Sequence<UInt8>, _ place: String
    ) throws(APIError) -> [UInt8] {
        var plain: [UInt8] = []
        plain.reserveCapacity(text.underestimatedCount + 3)
        for byte in text {
            switch byte {
            case UInt8(ascii: "-"): plain.append(UInt8(ascii: "+"))
            case UInt8(ascii: "_"): plain.append(UInt8(ascii: "/"))
            case 9, 10, 13, 32, UInt8(ascii: "="): continue
            default: plain.append(byte)
            }
        }
        guard !plain.isEmpty else {
            throw .invalid("\(place) is empty, expected a picture", param: place)
        }
        while plain.count % 4 != 0 { plain.append(UInt8(ascii: "=")) }
        guard let data = Data(base64Encoded: Data(plain)), !data.isEmpty else {
            throw .invalid("\(place) is not valid base64", param: place)
        }
        return [UInt8](data)
    }

    /// The content of a file below the folder for media.
    private func file(_ address: String, _ place: String) throws(APIError) -> [UInt8] {
        guard let mediaFolder else {
            throw .invalid(
                "\(place): file:// addresses are not allowed; --media-path FOLDER allows a folder",
                param: place)
        }
        var path = String(address.dropFirst("file:".count))
        if path.hasPrefix("//") { path.removeFirst(2) }
        path = path.removingPercentEncoding ?? path
        if !path.hasPrefix("/") { path = "\(mediaFolder)/\(path)" }
        let missing = APIError.invalid(
            "\(place): there is no such file below the folder for media", param: place)
        guard !path.utf8.contains(0), let resolved = realpath(path, nil) else { throw missing }
        defer { free(resolved) }
        let real = String(cString: resolved)
        guard real.hasPrefix(mediaFolder == "/" ? "/" : mediaFolder + "/") else { throw missing }
        // A pipe would wait for a writer.
        let descriptor = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
        guard descriptor >= 0 else { throw missing }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw missing
        }
        guard status.st_size <= limits.pictureBytes else {
            throw .invalid(
                "\(place): the file has \(status.st_size) bytes, expected at most \(limits.pictureBytes)",
                param: place)
        }
        do {
            return try PictureDecoder.contents(of: descriptor, name: place)
        } catch {
            throw APIError(.picture(error), param: place)
        }
    }
}
