// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// The patches of a picture that a vision tower sees, and which of them stands for each of the others.
///
/// As in PixelPrune (arXiv 2604.00886), patches that repeat their neighbours are left out before the tower. Here neighbours
/// are joined into small regions, the most alike first, until the tower sees as few patches as the user wants; one patch
/// stands for all of its region. docs/pruning.md has measurements.
struct RepresentativePatches: Sendable, Equatable {
    /// Indices of the patches that the tower sees, ascending.
    let seen: [Int]
    /// The place among `seen` of the patch that stands for each one.
    let places: [Int]  // [patches]

    /// The most patches of a region; smaller and larger limits gave no better answers.
    private static let largestRegion = 6

    /// Chooses at least this share of the patches.
    ///
    /// - Parameters:
    ///   - embeddings: the patches without their positions, line by line: `[patches, width]`.
    ///   - columns: patches of a line.
    ///   - share: the part that the tower shall see, above 0. It sees more where no two neighbours fit into a region.
    init(of embeddings: Activations, columns: Int, share: Double, _ ops: TensorOps) {
        let wanted = max(1, Int((share * Double(embeddings.rows)).rounded(.up)))
        var regions = Regions(patches: embeddings.rows, most: Self.largestRegion)
        for pair in Self.neighbours(in: embeddings, columns: columns, ops) {
            guard regions.count > wanted else { break }
            regions.join(pair.first, pair.second)
        }
        let representatives = regions.members.map { Self.middle(of: $0, embeddings) }
        seen = representatives.sorted()
        var places = [Int](repeating: 0, count: embeddings.rows)
        for (place, patch) in seen.enumerated() {
            for member in regions.members(beside: patch) { places[member] = place }
        }
        self.places = places
    }

    /// Patches that lie side by side, the most alike first; of equals those that come first in the picture.
    private static func neighbours(
        in embeddings: Activations, columns: Int, _ ops: TensorOps
    ) -> [(first: Int, second: Int)] {
        let patches = 0..<embeddings.rows
        let pairs =
            patches.filter { ($0 + 1) % columns != 0 && $0 + 1 < patches.count }
            .map { (first: $0, second: $0 + 1) }
            + patches.dropLast(columns).map { (first: $0, second: $0 + columns) }
        let distances = ops.map(pairs.indices) { index in
            let distance = squaredDistance(
                embeddings.row(pairs[index].first), embeddings.row(pairs[index].second),
                embeddings.width)
            // The first block refuses numbers that are not finite.
            return distance.isNaN ? .infinity : distance
        }
        return pairs.indices.sorted {
            (distances[$0], pairs[$0].first, pairs[$0].second)
                < (distances[$1], pairs[$1].first, pairs[$1].second)
        }.map { pairs[$0] }
    }

    /// The member nearest to the mean of all, which is the one with the least sum of squared distances to the others.
    private static func middle(of members: [Int], _ embeddings: Activations) -> Int {
        let sums = members.map { member in
            members.reduce(0) { sum, other in
                sum
                    + squaredDistance(
                        embeddings.row(member), embeddings.row(other), embeddings.width)
            }
        }
        let least = sums.indices.min { (sums[$0], members[$0]) < (sums[$1], members[$1]) } ?? 0
        return members[least]
    }
}

/// Patches that are joined step by step.
private struct Regions {
    /// The region of each patch, by the number of one of its members.
    private var regionOf: [Int]
    private var membersOf: [[Int]]
    /// The most patches of a region.
    private let most: Int
    /// Regions that are left.
    private(set) var count: Int

    /// Each patch is a region.
    init(patches: Int, most: Int) {
        regionOf = Array(0..<patches)
        membersOf = regionOf.map { [$0] }
        (self.most, count) = (most, patches)
    }

    var members: [[Int]] { membersOf.filter { !$0.isEmpty } }

    /// The members of the region of a patch.
    func members(beside patch: Int) -> [Int] { membersOf[regionOf[patch]] }

    /// Makes one region of those of two patches, unless it became too large.
    mutating func join(_ first: Int, _ second: Int) {
        let (kept, dropped) = (regionOf[first], regionOf[second])
        guard kept != dropped, membersOf[kept].count + membersOf[dropped].count <= most else {
            return
        }
        for member in membersOf[dropped] { regionOf[member] = kept }
        membersOf[kept] += membersOf[dropped]
        membersOf[dropped] = []
        count -= 1
    }
}
