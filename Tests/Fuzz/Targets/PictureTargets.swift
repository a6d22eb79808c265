// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Imaging

@testable import Captioning

extension FuzzTarget {
    /// Pictures of more pixels are not decoded, for speed.
    private static let mostPixels = 1 << 16
    private static let pictureFile = FuzzFile()

    /// A picture: the header's size is the picture's, and the decoder's memory is bounded by it.
    static let picture = FuzzTarget("picture") { bytes in
        let size = try PictureDecoder.size(of: bytes, name: "a picture")
        guard size.width * size.height <= mostPixels else { return }
        let picture = try PictureDecoder.decode(bytes, name: "a picture", transparency: .onWhite)
        precondition(picture.width == size.width && picture.height == size.height)
    }

    /// An archive of pictures, compressed or not.
    static let archive = FuzzTarget("archive") { bytes in
        let path = FilePath(pictureFile.holding(bytes))
        let listing = ArchiveListing(path)
        precondition(listing.failure != "")
        for refusal in listing.refusals { precondition(!refusal.reason.isEmpty) }
        let reader = try ArchiveReader(path)
        while let member = try reader.next(), member.position < 100 {
            _ = try reader.contents(limit: 1 << 20)
        }
    }

    /// A line of a file of captions: what is read can be written and read again.
    static let captionRecord = FuzzTarget("caption-record") { bytes in
        let line = try CaptionRecord(line: bytes).line()
        let again = try CaptionRecord(line: line.dropLast())
        precondition(again.line() == line)
    }

    /// A list of files, as `find` writes it.
    static let captionInputs = FuzzTarget("file-list") { bytes in
        let paths = try FileList.paths(in: bytes)
        precondition(!paths.contains { $0.bytes.isEmpty })
    }
}
