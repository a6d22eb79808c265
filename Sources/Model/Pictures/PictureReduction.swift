// SPDX-License-Identifier: Apache-2.0
import Imaging
import TokenPruning

/// What users may limit about the pictures of a family.
public enum PictureLimit: Sendable {
    /// `VisionLimits.mostTiles`.
    case tiles
    /// `VisionLimits.mostPixels`.
    case pixels
}

/// How much smaller a picture becomes before the vision tower sees it.
///
/// That is the other way to fewer visual tokens, which pruning has to be compared with: the tower is spared, too.
public enum PictureReduction: Sendable, Equatable {
    /// As many candidates as a budget keeps of the whole picture: the number of tiles that comes nearest, or the most
    /// pixels that give no more.
    case budget(KeepBudget)
    /// The whole picture as the only tile.
    case oneTile

    /// The reductions to measure beside some budgets; none where all pictures take the same rows.
    ///
    /// Budgets of no more than one tile have that in common. What an automatic budget keeps is known only once the whole
    /// picture is encoded, so there is none for it.
    public static func all(
        beside budgets: [KeepBudget], for encoder: any PictureEncoder
    ) -> [PictureReduction] {
        let known = budgets.filter { !$0.isAdaptive }
        switch encoder.limit {
        case .tiles:
            let pixel = PixelSize(width: 1, height: 1)
            let tile = Self.oneTile.limited(encoder, for: pixel)?.encoder.plan(pixel)
            let larger = known.filter { budget in
                if case .count(let count) = budget {
                    count > tile?.candidates.count ?? 0
                } else {
                    true
                }
            }
            return [.oneTile] + larger.map { .budget($0) }
        case .pixels: return known.map { .budget($0) }
        case nil: return []
        }
    }

    /// The encoder that makes a picture of this size so much smaller; nil for one that cannot.
    public func limited(
        _ encoder: any PictureEncoder, for picture: PixelSize
    ) -> LimitedEncoder? {
        let candidates =
            switch self {
            case .budget(let budget):
                budget.mostKept(of: encoder.plan(picture).candidates.count)
            case .oneTile: 1
            }
        return encoder.limited(to: candidates, for: picture)
    }
}

extension PictureReduction: CustomStringConvertible {
    /// The budget, or `one-tile`.
    public var description: String {
        switch self {
        case .budget(let budget): "\(budget)"
        case .oneTile: "one-tile"
        }
    }
}

/// An encoder that sees less of pictures, and the limits by which it does.
public struct LimitedEncoder: Sendable {
    /// The encoder.
    public let encoder: any PictureEncoder
    /// What users set for the same pictures.
    public let limits: VisionLimits
}

/// A rule under a limit.
package struct LimitedTiling {
    package let tiling: any PictureTiling
    /// What users set for the same tiles.
    package let limits: VisionLimits
}
