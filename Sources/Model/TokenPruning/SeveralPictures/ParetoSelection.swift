// SPDX-License-Identifier: Apache-2.0

/// Keeps `keep` points that are good by two measures: whole Pareto fronts, best first, and of the front
/// that does not fit the points with the most room around them (NSGA-II: Deb et al., 2002).
///
/// A point is dominated by one that is at least as large in both measures and larger in one.
/// Removing a front's points gives the next front. Ties go to the lowest index.
///
/// - Returns: indices, ascending.
func paretoSelection(_ first: [Float], _ second: [Float], keep: Int) -> [Int] {
    precondition(first.count == second.count && keep <= first.count)
    var kept: [Int] = []
    var left = first.indices.sorted {
        (first[$1], second[$1], $0) < (first[$0], second[$0], $1)
    }
    while kept.count < keep {
        let front = paretoFront(ofDescending: left, first, second)
        if front.count <= keep - kept.count {
            kept += front
        } else {
            let room = crowdingDistances(front, first, second)
            let order = front.indices.sorted { (room[$1], front[$0]) < (room[$0], front[$1]) }
            kept += order.prefix(keep - kept.count).map { front[$0] }
        }
        let isTaken = Set(front)
        left.removeAll { isTaken.contains($0) }
    }
    return kept.sorted()
}

/// The points that no other dominates, of points sorted by both measures, largest first.
private func paretoFront(
    ofDescending points: [Int], _ first: [Float], _ second: [Float]
) -> [Int] {
    var front: [Int] = []
    for point in points {
        // Whatever comes before is at least as large in the first measure.
        guard let last = front.last else {
            front.append(point)
            continue
        }
        let equalsLast = first[point] == first[last] && second[point] == second[last]
        if second[point] > second[last] || equalsLast { front.append(point) }
    }
    return front
}

/// How far apart the neighbours of each point of a front are, in parts of the front's extent, both
/// measures added; infinite at its ends.
///
/// - Parameter front: points whose first measure falls and whose second rises.
private func crowdingDistances(
    _ front: [Int], _ first: [Float], _ second: [Float]
) -> [Float] {
    var distances = [Float](repeating: .infinity, count: front.count)
    guard let start = front.first, let end = front.last else { return distances }
    let extents = (first[start] - first[end], second[end] - second[start])
    for place in front.indices.dropFirst().dropLast() {
        let (before, after) = (front[place - 1], front[place + 1])
        let gaps = (first[before] - first[after], second[after] - second[before])
        distances[place] =
            (extents.0 > 0 ? gaps.0 / extents.0 : 0) + (extents.1 > 0 ? gaps.1 / extents.1 : 0)
    }
    return distances
}
