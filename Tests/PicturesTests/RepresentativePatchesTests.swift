// SPDX-License-Identifier: Apache-2.0
import Kernels
import TensorOps
import Testing
import WorkerPool

@testable import Pictures

/// Which patches a tower sees that shall see a share of them.
@Suite struct RepresentativePatchesTests {
    private let ops: TensorOps

    init() throws {
        ops = TensorOps(
            kernels: try .named(nil), pool: WorkerPool(threadCount: 2), activationMode: .float)
    }

    private func embeddings(_ patches: Int, width: Int = 5, seed: UInt64 = 1) -> Activations {
        var state = seed
        return Activations(
            (0..<patches * width).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Float(state >> 40) / Float(1 << 24)
            }, width: width)
    }

    private func representatives(
        _ embeddings: Activations, columns: Int, share: Double
    ) -> RepresentativePatches {
        RepresentativePatches(of: embeddings, columns: columns, share: share, ops)
    }

    private static let grids = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (13, 11), (24, 24)]

    /// The members of each region, by the patch that stands for it.
    private func regions(_ chosen: RepresentativePatches) -> [Int: [Int]] {
        Dictionary(grouping: chosen.places.indices) { chosen.seen[chosen.places[$0]] }
    }

    @Test(arguments: grids, [0.5, 0.75, 0.99])
    func regionsAreSmallAndConnected(grid: (rows: Int, columns: Int), share: Double) {
        let count = grid.rows * grid.columns
        let chosen = representatives(embeddings(count), columns: grid.columns, share: share)
        #expect(chosen.seen == chosen.seen.sorted() && Set(chosen.seen).count == chosen.seen.count)
        #expect(chosen.places.count == count)
        #expect(Double(chosen.seen.count) >= share * Double(count))
        for (patch, members) in regions(chosen) {
            #expect(members.contains(patch) && members.count <= 6)
            // Reached step by step from the patch that stands for them.
            var reached: Set = [patch]
            for _ in members {
                reached.formUnion(
                    members.filter { member in
                        reached.contains {
                            let down = abs($0 / grid.columns - member / grid.columns)
                            return down + abs($0 % grid.columns - member % grid.columns) == 1
                        }
                    })
            }
            #expect(reached == Set(members))
        }
    }

    /// Joins the most alike neighbours of different regions again and again, by looking at all of them.
    private func plain(_ rows: Activations, columns: Int, wanted: Int) -> [Int: [Int]] {
        func distance(_ first: Int, _ second: Int) -> Double {
            (0..<rows.width).reduce(0) { sum, column in
                let difference = Double(rows.row(first)[column]) - Double(rows.row(second)[column])
                return sum + difference * difference
            }
        }
        var regions = (0..<rows.rows).map { [$0] }
        while regions.count > wanted {
            var best: (distance: Double, first: Int, second: Int)?
            for first in regions.indices {
                for second in regions.indices
                where first != second && regions[first].count + regions[second].count <= 6 {
                    for one in regions[first] {
                        for other in regions[second]
                        where other == one + columns
                            || (other == one + 1 && other % columns != 0)
                        {
                            let found = distance(one, other)
                            if found < best?.distance ?? .infinity { best = (found, first, second) }
                        }
                    }
                }
            }
            guard let best else { break }
            let joined = regions[best.first] + regions[best.second]
            regions =
                regions.indices.filter { $0 != best.first && $0 != best.second }
                .map { regions[$0] } + [joined]
        }
        return Dictionary(
            uniqueKeysWithValues: regions.map { members in
                let middle = members.min { one, other in
                    members.reduce(0) { $0 + distance(one, $1) }
                        < members.reduce(0) { $0 + distance(other, $1) }
                }
                return (middle ?? -1, members.sorted())
            })
    }

    @Test(arguments: [(1, 7), (3, 5), (7, 6), (11, 9)], [0.5, 0.6, 0.9])
    func choosesAsThePlainRule(grid: (rows: Int, columns: Int), share: Double) {
        let rows = embeddings(grid.rows * grid.columns, seed: UInt64(grid.rows))
        let wanted = Int((share * Double(rows.rows)).rounded(.up))
        let chosen = representatives(rows, columns: grid.columns, share: share)
        let expected = plain(rows, columns: grid.columns, wanted: wanted)
        // Regions of two have two middles.
        #expect(
            Set(regions(chosen).values.map { $0.sorted() }) == Set(expected.values.map { $0 }))
        for (patch, members) in regions(chosen) where members.count > 2 {
            #expect(expected[patch] == members)
        }
    }

    @Test func aWallGivesWayToAnObject() {
        let (columns, object) = (8, [27, 28, 35, 36])
        let rows = Activations([Float](repeating: 0.5, count: 64 * 3), width: 3)
        for (number, patch) in object.enumerated() { rows.row(patch)[0] = Float(2 + number) }
        let chosen = representatives(rows, columns: columns, share: 0.5)
        #expect(chosen.seen.count == 32)
        #expect(Set(object).isSubset(of: chosen.seen))
        #expect(object.allSatisfy { chosen.seen[chosen.places[$0]] == $0 })
    }

    @Test func numbersThatAreNotFiniteAreLeftToTheTower() {
        let rows = embeddings(30)
        rows.row(3)[0] = .nan
        rows.row(17)[2] = .infinity
        let chosen = representatives(rows, columns: 6, share: 0.5)
        #expect(chosen.places.count == 30 && chosen.seen.count >= 15)
    }
}
