// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// A picture that is ready for the vision tower, or why it is not.
struct LoadedPicture: Sendable {
    /// A picture's tiles and what its file was when they were read.
    struct Content: Sendable {
        let tiles: TileBatch
        let version: FileVersion
        let pixels: PixelSize
        let decodingSeconds: Double
        let tilingSeconds: Double
        /// The picture as the decoder needs it, where that was done ahead.
        var encoding: Encoding?
    }

    /// A picture that has gone through the vision tower and the projector.
    struct Encoding: Sendable {
        let picture: EncodedPicture
        let seconds: Double
    }

    /// The picture's place among those that are loaded.
    let index: Int
    var result: Result<Content, LoadFailure>
}

/// Why a picture cannot be loaded.
struct LoadFailure: Error {
    let reason: String
}

extension AheadQueue<LoadedPicture> {
    /// Starts to load pictures, in this order.
    ///
    /// - Parameters:
    ///   - ahead: the most loaded pictures that wait.
    ///   - orients: whether pictures are turned as their EXIF orientation says.
    convenience init(
        loading pictures: [PictureReference], preprocessor: CLIPPreprocessor, orients: Bool,
        ahead: Int
    ) {
        self.init(ahead: ahead, name: "trimllava.pictures") { put in
            let reading = PictureReading(preprocessor: preprocessor, orients: orients)
            for (index, picture) in pictures.enumerated() {
                guard put(LoadedPicture(index: index, result: reading.load(picture))) else { break }
            }
        }
    }
}

/// Reads and decodes pictures; archives stay open from one member to the next.
private final class PictureReading {
    private let preprocessor: CLIPPreprocessor
    private let orients: Bool
    private var archive: (path: FilePath, reader: ArchiveReader, next: Int)?

    init(preprocessor: CLIPPreprocessor, orients: Bool) {
        self.preprocessor = preprocessor
        self.orients = orients
    }

    func load(_ picture: PictureReference) -> Result<LoadedPicture.Content, LoadFailure> {
        do {
            let start = ContinuousClock.now
            let (bytes, version) = try read(picture)
            let decoded = try PictureDecoder.decode(
                bytes, name: picture.path.text, applyOrientation: orients)
            let decodedAt = ContinuousClock.now
            let tiles = try preprocessor.tiles(of: decoded)
            return .success(
                LoadedPicture.Content(
                    tiles: tiles, version: version, pixels: decoded.size,
                    decodingSeconds: (decodedAt - start) / .seconds(1),
                    tilingSeconds: (ContinuousClock.now - decodedAt) / .seconds(1)))
        } catch let error as LoadFailure {
            return .failure(error)
        } catch {
            return .failure(LoadFailure(reason: "\(error)"))
        }
    }

    private func read(_ picture: PictureReference) throws -> ([UInt8], FileVersion) {
        switch picture.place {
        case .file:
            return try readFile(picture.path)
        case .member(let archive, let position, let version):
            do {
                return (try readMember(position, of: archive), version)
            } catch {
                self.archive = nil
                throw LoadFailure(reason: "\(archive.text): \(error.reason)")
            }
        }
    }

    private func readFile(_ path: FilePath) throws -> ([UInt8], FileVersion) {
        let unreadable = { LoadFailure(reason: "\(path.text): cannot be read: \(systemReason())") }
        // A pipe of that name would be waited for without O_NONBLOCK, which files do not notice.
        let descriptor = path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else { throw unreadable() }
        defer { close(descriptor) }
        guard let status = FileStatus(descriptor: descriptor) else { throw unreadable() }
        guard status.kind == .file else {
            throw LoadFailure(reason: "\(path.text): is no file")
        }
        let bytes = try PictureDecoder.contents(of: descriptor, name: path.text)
        guard FileStatus(descriptor: descriptor)?.version == status.version else {
            throw LoadFailure(reason: "\(path.text): was changed while it was being read")
        }
        return (bytes, status.version)
    }

    private func readMember(
        _ position: Int, of path: FilePath
    ) throws(ArchiveReader.Failure) -> [UInt8] {
        if archive?.path != path || (archive?.next ?? 0) > position {
            archive = (path, try ArchiveReader(path), 0)
        }
        while let (_, reader, next) = archive {
            guard try reader.next() != nil else { break }
            archive?.next += 1
            if next == position { return try reader.contents(limit: PictureLimits.fileBytes) }
        }
        throw ArchiveReader.Failure(reason: "has fewer members than before")
    }
}
