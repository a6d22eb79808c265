// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Imaging

@Suite struct ResamplingTests {
    @Test(arguments: [
        "1x1", "37x29", "37x11", "13x29", "71x59", "5x100", "100x3", "36x28", "38x30",
    ])
    func resizesASmallPictureAsPillowDoes(size: String) throws {
        let expected = try golden("resize/small-\(size)")
        let picture = try golden("decode/rgb.png")
        #expect(try picture.resized(width: expected.width, height: expected.height) == expected)
    }

    @Test(arguments: [
        ("chelsea.png", "chelsea-42x28"), ("chelsea.png", "chelsea-7x61"),
        ("chelsea.png", "chelsea-61x7"), ("rocket.jpg", "rocket-64x43"),
    ])
    func resizesAPhotographAsPillowDoes(photograph: String, name: String) throws {
        let expected = try golden("resize/\(name)")
        let picture = try samplePhotograph(photograph)
        #expect(try picture.resized(width: expected.width, height: expected.height) == expected)
    }

    @Test(arguments: [(1, 1), (1, 30), (30, 1), (17, 23)])
    func aPlainPictureStaysPlain(size: (Int, Int)) throws {
        let plain = Picture(
            width: size.0, height: size.1, pixels: Array(repeating: 201, count: size.0 * size.1 * 3)
        )
        let resized = try plain.resized(width: 19, height: 7)
        #expect(Array(resized.pixels) == Array(repeating: 201, count: 19 * 7 * 3))
    }

    /// The result without a canvas equals that of a canvas in memory.
    @Test(arguments: [(0, 13, 0, 9), (2, 3, 5, 1), (7, 6, 8, 1)])
    func aCanvasIsSummedExactly(left: Int, width: Int, top: Int, height: Int) throws {
        let (canvas, output) = (PixelSize(width: 13, height: 9), PixelSize(width: 8, height: 21))
        var generator = SeededGenerator(seed: 5)
        let picture = Picture(
            width: width, height: height,
            pixels: (0..<width * height * 3).map { _ in .random(in: 0...255, using: &generator) })
        let colour: [UInt8] = [250, 3, 77]
        var pixels = (0..<canvas.width * canvas.height).flatMap { _ in colour }
        for row in 0..<height {
            let start = ((top + row) * canvas.width + left) * 3
            pixels.replaceSubrange(
                start..<start + width * 3,
                with: picture.pixels[row * width * 3..<(row + 1) * width * 3])
        }
        let expected = try Picture(width: canvas.width, height: canvas.height, pixels: pixels)
            .resized(width: output.width, height: output.height)
        let resampled = try Resampling(
            horizontal: ResamplingAxis(
                canvasLength: canvas.width, source: left..<left + width,
                outputLength: output.width, window: 0..<output.width),
            vertical: ResamplingAxis(
                canvasLength: canvas.height, source: top..<top + height,
                outputLength: output.height, window: 0..<output.height),
            canvas: colour
        ).apply(to: picture)
        #expect(resampled == expected)
    }
}
