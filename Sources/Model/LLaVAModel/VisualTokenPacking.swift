// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps

/// Puts the projected patches of all tiles in the order in which the decoder reads them.
///
/// One tile: its patches. Anyres (LLaVA-NeXT): the base tile's patches, then the grid's tiles
/// joined into one picture, its padding cut off, a newline row after each row of patches.
///
/// - Parameter projected: `[tiles · patches, width]`, the base tile first.
func packVisualTokens(
    _ projected: Activations, _ geometry: TileGeometry, newline: [Float]?
) -> Activations {
    guard let newline else { return projected }
    precondition(newline.count == projected.width)
    let packed = Activations(rows: geometry.visualTokenCount, width: projected.width)
    var next = 0
    func append(_ source: UnsafePointer<Float>, rows: Int = 1) {
        packed.row(next).update(from: source, count: rows * packed.width)
        next += rows
    }
    let perSide = geometry.patchesPerSide
    let perTile = perSide * perSide
    append(projected.values, rows: perTile)
    for row in geometry.keptRows {
        for column in geometry.keptColumns {
            let tile = 1 + row / perSide * geometry.gridColumns + column / perSide
            let patch = row % perSide * perSide + column % perSide
            append(projected.row(tile * perTile + patch))
        }
        append(newline)
    }
    precondition(next == packed.rows, "\(next) rows packed into \(packed.rows)")
    return packed
}
