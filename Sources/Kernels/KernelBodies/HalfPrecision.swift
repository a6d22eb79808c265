// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

extension HalfVector {
    /// `lanes` numbers, zeros after them.
    @inline(__always)
    static func load(_ source: UnsafePointer<UInt16>, _ lanes: Int) -> HalfVector {
        lanes == lane_count
            ? UnsafeRawPointer(source).loadUnaligned(as: HalfVector.self)
            : load_first_halves(source, lanes)
    }

    @inline(__always)
    func store(_ target: UnsafeMutablePointer<UInt16>, _ lanes: Int) {
        if lanes == lane_count {
            UnsafeMutableRawPointer(target).storeBytes(of: self, as: HalfVector.self)
        } else {
            store_first_halves(self, target, lanes)
        }
    }
}

extension KernelTable {
    mutating func vectoriseHalfPrecision() {
        halvesFromFloats = { source, out, count in
            forEachVector(count) { first, lanes in
                halves_from_floats(.load(source + first, lanes)).store(out + first, lanes)
            }
        }
        floatsFromHalves = { source, out, count in
            forEachVector(count) { first, lanes in
                floats_from_halves(.load(source + first, lanes)).store(out + first, lanes)
            }
        }
    }
}
