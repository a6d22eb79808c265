// SPDX-License-Identifier: Apache-2.0

/// How the products of one matrix are divided into chunks: each is a run of panels times a group of tiles of rows.
struct ProductDivision {
    /// Panels of the matrix.
    let panels: Int
    /// Tiles of rows.
    let tiles: Int
    /// Runs of panels.
    let runs: Int
    /// Groups of tiles.
    let groups: Int
    /// Panels that the tiles of a group are multiplied by in turn.
    let panelsPerPass: Int

    /// Most pieces of a chunk.
    static var mostPieces: Int { 8 }

    /// Chunks, group after group, so that a thread's next chunk often has the tiles of its last one.
    var chunks: Int { runs * groups }

    /// What a chunk multiplies.
    func chunk(_ index: Int) -> (panels: Range<Int>, tiles: Range<Int>) {
        (
            Self.part(index % runs, of: runs, of: 0..<panels),
            Self.part(index / runs, of: groups, of: 0..<tiles)
        )
    }

    /// What one of the pieces of a chunk multiplies; some pieces may have nothing to do.
    func piece(
        _ piece: Int, of pieces: Int, ofChunk index: Int
    ) -> (panels: Range<Int>, tiles: Range<Int>) {
        var (panels, tiles) = chunk(index)
        // Many tiles are read from the third-level cache, so all panels go with a part of them.
        if tiles.count >= 2 * Self.mostPieces {
            tiles = Self.part(piece, of: pieces, of: tiles)
        } else {
            panels = Self.part(piece, of: pieces, of: panels)
        }
        return (panels, tiles)
    }

    /// One of `count` parts of a range, which differ by at most one.
    private static func part(_ index: Int, of count: Int, of range: Range<Int>) -> Range<Int> {
        let bounds = (index * range.count / count, (index + 1) * range.count / count)
        return (range.lowerBound + bounds.0)..<(range.lowerBound + bounds.1)
    }
}
