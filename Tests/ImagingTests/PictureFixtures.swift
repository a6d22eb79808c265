// SPDX-License-Identifier: Apache-2.0
import Foundation
import Imaging
import TestSupport

/// The golden files of `tools/make-picture-goldens`.
enum PictureFixtures {
    /// The files of a folder below `Fixtures/pictures`; none when there is no such folder.
    static func names(in folder: String) -> [String] {
        let path = Fixture.path("pictures/\(folder)")
        return (try? FileManager.default.contentsOfDirectory(atPath: path))?.sorted() ?? []
    }
}

/// A golden picture below `Fixtures/pictures`, its name without `.npy`.
func golden(_ name: String) throws -> Picture {
    let array = try NPYArray(fixture: "pictures/\(name).npy")
    return Picture(width: array.shape[1], height: array.shape[0], pixels: array.uint8s)
}

/// A photograph of `tools/samples`.
func samplePhotograph(_ name: String = "chelsea.png") throws -> Picture {
    let root = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized
    return try PictureDecoder.load(path: root.path + "/tools/samples/" + name)
}

extension Picture {
    /// The pixels in the middle.
    func middle(width: Int, height: Int) -> Picture {
        let (left, top) = ((self.width - width) / 2, (self.height - height) / 2)
        let rows = (top..<top + height).map { row in
            let start = (row * self.width + left) * 3
            return pixels[start..<start + width * 3]
        }
        return Picture(width: width, height: height, pixels: Array(rows.joined()))
    }
}
