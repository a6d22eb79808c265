// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// Points in the plane, one in each lane.
private struct Points {
    let x: FloatVector
    let y: FloatVector

    @inline(__always)
    func turned(_ cosine: FloatVector, _ sine: FloatVector) -> Points {
        Points(x: x * cosine - y * sine, y: multiply_add(x * sine, y, cosine))
    }
}

extension KernelTable {
    mutating func vectoriseRotations() {
        rotateAdjacentPairs = { head, cosines, sines, pairs in
            forEachVector(pairs) { first, lanes in
                let low = head + 2 &* first
                let high = low + lane_count
                let lowLanes = min(2 &* lanes, lane_count)
                let highLanes = 2 &* lanes &- lowLanes
                let (a, b) = (FloatVector.load(low, lowLanes), FloatVector.load(high, highLanes))
                let points = Points(x: even_lanes(a, b), y: odd_lanes(a, b))
                    .turned(.load(cosines + first, lanes), .load(sines + first, lanes))
                zip_low(points.x, points.y).store(low, lowLanes)
                zip_high(points.x, points.y).store(high, highLanes)
            }
        }
        rotateHalves = { head, cosines, sines, pairs in
            forEachVector(pairs) { first, lanes in
                let (low, high) = (head + first, head + pairs + first)
                let points = Points(x: .load(low, lanes), y: .load(high, lanes))
                    .turned(.load(cosines + first, lanes), .load(sines + first, lanes))
                points.x.store(low, lanes)
                points.y.store(high, lanes)
            }
        }
    }
}
