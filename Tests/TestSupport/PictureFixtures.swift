// SPDX-License-Identifier: Apache-2.0
import Foundation
import Imaging

/// The golden files of `tools/make-picture-goldens`.
public enum PictureFixtures {
    /// The files of a folder below `Fixtures/pictures`; none when there is no such folder.
    public static func names(in folder: String) -> [String] {
        let path = Fixture.path("pictures/\(folder)")
        return (try? FileManager.default.contentsOfDirectory(atPath: path))?.sorted() ?? []
    }
}

/// A golden picture below `Fixtures/pictures`, its name without `.npy`.
public func golden(_ name: String) throws -> Picture {
    let array = try NPYArray(fixture: "pictures/\(name).npy")
    return Picture(width: array.shape[1], height: array.shape[0], pixels: array.uint8s)
}

/// A photograph of `tools/samples`.
public func samplePhotograph(_ name: String = "chelsea.png") throws -> Picture {
    let root = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized
    return try PictureDecoder.load(path: root.path + "/tools/samples/" + name)
}

extension Picture {
    /// The pixels in the middle.
    public func middle(width: Int, height: Int) -> Picture {
        let (left, top) = ((self.width - width) / 2, (self.height - height) / 2)
        let rows = (top..<top + height).map { row in
            let start = (row * self.width + left) * 3
            return pixels[start..<start + width * 3]
        }
        return Picture(width: width, height: height, pixels: Array(rows.joined()))
    }
}

/// A picture of random samples, the worst case for compression.
public func noise(width: Int, height: Int) -> Picture {
    var generator = SeededGenerator(seed: UInt64(width * 1000 + height))
    let pixels = (0..<width * height * 3).map { _ in UInt8.random(in: 0...255, using: &generator) }
    return Picture(width: width, height: height, pixels: pixels)
}
