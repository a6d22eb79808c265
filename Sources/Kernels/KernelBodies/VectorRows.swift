// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps

// Walks rows of numbers vector by vector. The last vector may have fewer lanes than the others.

extension FloatVector {
    @inline(__always) static func all(_ value: Float) -> FloatVector {
        FloatVector(repeating: value)
    }

    /// `lanes` numbers, zeros after them.
    @inline(__always)
    static func load(_ source: UnsafePointer<Float>, _ lanes: Int) -> FloatVector {
        lanes == lane_count
            ? UnsafeRawPointer(source).loadUnaligned(as: FloatVector.self)
            : load_first(source, lanes)
    }

    @inline(__always)
    func store(_ target: UnsafeMutablePointer<Float>, _ lanes: Int) {
        if lanes == lane_count {
            UnsafeMutableRawPointer(target).storeBytes(of: self, as: FloatVector.self)
        } else {
            store_first(self, target, lanes)
        }
    }
}

/// Calls `body` with the place of every vector of `count` numbers and its lanes.
@inline(__always)
func forEachVector(_ count: Int, _ body: (_ first: Int, _ lanes: Int) -> Void) {
    // The compiler reliably inlines a closure that is called in one place.
    var first = 0
    while first < count {
        body(first, min(count &- first, lane_count))
        first &+= lane_count
    }
}

/// Replaces every number of a row.
@inline(__always)
func mapInPlace(
    _ values: UnsafeMutablePointer<Float>, _ count: Int, _ body: (FloatVector) -> FloatVector
) {
    forEachVector(count) { first, lanes in
        body(.load(values + first, lanes)).store(values + first, lanes)
    }
}

/// Adds up what `add` adds to a sum for every vector of a row, in an order that `count` alone decides.
///
/// - Parameter add: must leave the lanes from `lanes` on unchanged.
@inline(__always)
func rowSum(
    _ count: Int, _ add: (_ sum: FloatVector, _ first: Int, _ lanes: Int) -> FloatVector
) -> Float {
    // Four sums that take turns hide the latency of additions.
    var (a, b, c, d) = (
        FloatVector.all(0), FloatVector.all(0), FloatVector.all(0), FloatVector.all(0)
    )
    forEachVector(count) { first, lanes in (a, b, c, d) = (b, c, d, add(a, first, lanes)) }
    return float_sum((a + c) + (b + d))
}
