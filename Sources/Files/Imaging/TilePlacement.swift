// SPDX-License-Identifier: Apache-2.0

/// Where a tile, or a grid of tiles joined, lies on the picture that it is made of.
struct TilePlacement: Sendable, Equatable {
    let horizontal: TileAxis
    let vertical: TileAxis
}

/// One direction of a placement: a picture is put on a canvas, the canvas resized, a window of it cut out.
struct TileAxis: Sendable, Equatable {
    /// Pixels of the canvas, at least those of the picture.
    let canvasLength: Int
    /// Where the picture lies on the canvas.
    let source: Range<Int>
    /// Pixels of the canvas after resizing.
    let resizedLength: Int
    /// The pixels of the resized canvas that are cut out; what lies beside the canvas is padding.
    let window: Range<Int>

    /// A picture in the middle of a canvas of `side` pixels, resized to a tile.
    static func padded(_ length: Int, to side: Int, tileSide: Int) -> TileAxis {
        let start = (side - length) / 2
        return TileAxis(
            canvasLength: side, source: start..<start + length, resizedLength: tileSide,
            window: 0..<tileSide)
    }

    /// A picture resized until its shorter side fits a tile, and of that the middle.
    static func cropped(_ length: Int, shorter: Int, tileSide: Int) -> TileAxis {
        let resized = tileSide * length / shorter
        let start = (resized - tileSide) / 2
        return TileAxis(
            canvasLength: length, source: 0..<length, resizedLength: resized,
            window: start..<start + tileSide)
    }

    /// A picture resized to `resized` pixels, in the middle of a window at least as long.
    static func centered(_ length: Int, resized: Int, in windowLength: Int) -> TileAxis {
        let start = (windowLength - resized) / 2
        return TileAxis(
            canvasLength: length, source: 0..<length, resizedLength: resized,
            window: -start..<windowLength - start)
    }

    /// Pixels of the picture for each pixel of the window.
    var scale: Double { Double(canvasLength) / Double(resizedLength) }

    /// Where on a copy of the picture of `length` pixels an edge between two pixels of the window falls.
    ///
    /// It falls before the first pixel of the copy whose centre is not left of it, so that spans
    /// between edges share no pixel and leave none out. Edges beside the picture fall on its ends.
    func position(ofEdge edge: Int, onLength length: Int) -> Int {
        let (numerator, denominator) = fraction(ofEdge: edge)
        if numerator <= 0 { return 0 }
        if numerator >= denominator { return length }
        return Int((2 * numerator * Int128(length) + denominator - 1) / (2 * denominator))
    }

    /// Whether a span of the window shows nothing of the picture.
    func isBesidePicture(_ span: Range<Int>) -> Bool {
        let (start, _) = fraction(ofEdge: span.lowerBound)
        let (end, denominator) = fraction(ofEdge: span.upperBound)
        return end <= 0 || start >= denominator
    }

    /// Where an edge lies, from 0 at the picture's begin to 1 at its end.
    private func fraction(ofEdge edge: Int) -> (numerator: Int128, denominator: Int128) {
        let onCanvas = Int128(window.lowerBound + edge) * Int128(canvasLength)
        return (
            onCanvas - Int128(source.lowerBound) * Int128(resizedLength),
            Int128(resizedLength) * Int128(source.count)
        )
    }
}

extension CLIPPreprocessor {
    /// Where the base tile lies on a picture.
    func baseTilePlacement(on picture: PixelSize) -> TilePlacement {
        let shorter = min(picture.width, picture.height)
        let longer = max(picture.width, picture.height)
        func axis(_ length: Int) -> TileAxis {
            switch layout {
            case .padToSquare: .padded(length, to: longer, tileSide: tileSide)
            case .centerCrop: .cropped(length, shorter: shorter, tileSide: tileSide)
            case .anyres: .centered(length, resized: tileSide, in: tileSide)
            }
        }
        return TilePlacement(horizontal: axis(picture.width), vertical: axis(picture.height))
    }

    /// Where the tiles of the grid, joined, lie on a picture, nil when the layout has no grid.
    func gridPlacement(on picture: PixelSize) -> TilePlacement? {
        let geometry = geometry(width: picture.width, height: picture.height)
        guard geometry.gridColumns > 0 else { return nil }
        let grid = PixelSize(
            width: geometry.gridColumns * tileSide, height: geometry.gridRows * tileSide)
        let fitted = AnyresRule.fitted(picture, into: grid)
        return TilePlacement(
            horizontal: .centered(picture.width, resized: fitted.width, in: grid.width),
            vertical: .centered(picture.height, resized: fitted.height, in: grid.height))
    }
}
