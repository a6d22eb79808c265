// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Imaging

extension Picture {
    fileprivate func resized(to size: PixelSize, _ filter: ResamplingFilter) throws -> Picture {
        try resized(width: size.width, height: size.height, filter: filter)
    }
}

@Suite struct ResamplingTests {
    @Test(
        arguments: ResamplingFilter.allCases,
        ["1x1", "37x29", "37x11", "13x29", "71x59", "5x100", "100x3", "36x28", "38x30"])
    func resizesASmallPictureAsPillowDoes(filter: ResamplingFilter, size: String) throws {
        let expected = try golden("resize/\(filter)-small-\(size)")
        #expect(try golden("decode/rgb.png").resized(to: expected.size, filter) == expected)
    }

    @Test(arguments: ResamplingFilter.allCases)
    func resizesLinesOfPixelsAsPillowDoes(filter: ResamplingFilter) throws {
        let picture = try golden("decode/rgb.png")
        let column = Picture(
            width: 1, height: 29,
            pixels: (0..<29).flatMap { picture.pixels[($0 * 37 + 9) * 3..<($0 * 37 + 10) * 3] })
        let row = Picture(
            width: 37, height: 1, pixels: Array(picture.pixels[9 * 37 * 3..<10 * 37 * 3]))
        for (line, name) in [(column, "column-7x61"), (row, "row-11x5")] {
            let expected = try golden("resize/\(filter)-\(name)")
            #expect(try line.resized(to: expected.size, filter) == expected, "\(name)")
        }
    }

    @Test(
        arguments: ResamplingFilter.allCases,
        [
            ("chelsea.png", "chelsea-42x28"), ("chelsea.png", "chelsea-7x61"),
            ("chelsea.png", "chelsea-61x7"), ("rocket.jpg", "rocket-64x43"),
        ])
    func resizesAPhotographAsPillowDoes(
        filter: ResamplingFilter, photograph: (file: String, name: String)
    ) throws {
        let expected = try golden("resize/\(filter)-\(photograph.name)")
        let picture = try samplePhotograph(photograph.file)
        #expect(try picture.resized(to: expected.size, filter) == expected)
    }

    /// Each resizing rounds to bytes.
    @Test func resizesAgainAndAgainAsPillowDoes() throws {
        var picture = try samplePhotograph()
        for size in ["128x86", "128x96", "32x32"] {
            let expected = try golden("resize/chain-\(size)")
            picture = try picture.resized(to: expected.size, .lanczos)
            #expect(picture == expected, "\(size)")
        }
    }

    @Test(arguments: ResamplingFilter.allCases, [(1, 1), (1, 30), (30, 1), (17, 23)])
    func aPlainPictureStaysPlain(filter: ResamplingFilter, size: (Int, Int)) throws {
        let plain = Picture(
            width: size.0, height: size.1, pixels: Array(repeating: 201, count: size.0 * size.1 * 3)
        )
        let resized = try plain.resized(width: 19, height: 7, filter: filter)
        #expect(Array(resized.pixels) == Array(repeating: 201, count: 19 * 7 * 3))
    }

    /// The result without a canvas equals that of a canvas in memory.
    @Test(
        arguments: ResamplingFilter.allCases,
        [(left: 0, width: 13, top: 0, height: 9), (2, 3, 5, 1), (7, 6, 8, 1)])
    func aCanvasIsSummedExactly(
        filter: ResamplingFilter, place: (left: Int, width: Int, top: Int, height: Int)
    ) throws {
        let (left, width, top, height) = place
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
            .resized(to: output, filter)
        let resampled = try Resampling(
            horizontal: ResamplingAxis(
                canvasLength: canvas.width, source: left..<left + width,
                outputLength: output.width, window: 0..<output.width, filter: filter),
            vertical: ResamplingAxis(
                canvasLength: canvas.height, source: top..<top + height,
                outputLength: output.height, window: 0..<output.height, filter: filter),
            canvas: colour
        ).apply(to: picture)
        #expect(resampled == expected)
    }
}
