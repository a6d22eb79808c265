// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// A number that pages store without a scale.
private protocol StoredNumber {
    associatedtype Stored: BitwiseCopyable
    /// Rounds the first `lanes` numbers of a vector.
    static func store(_ numbers: FloatVector, _ target: UnsafeMutablePointer<Stored>, _ lanes: Int)
}

extension FloatNumber: StoredNumber {
    @inline(__always)
    fileprivate static func store(
        _ numbers: FloatVector, _ target: UnsafeMutablePointer<Float>, _ lanes: Int
    ) { numbers.store(target, lanes) }
}

extension HalfNumber: StoredNumber {
    @inline(__always)
    fileprivate static func store(
        _ numbers: FloatVector, _ target: UnsafeMutablePointer<UInt16>, _ lanes: Int
    ) { halves_from_floats(numbers).store(target, lanes) }
}

extension PageRows {
    /// Stores keys: `[width, 16]`.
    @inline(__always)
    fileprivate func storeKeys<Number: StoredNumber>(
        _ page: UnsafeMutableRawPointer, _ number: Number.Type
    ) {
        let target = page.assumingMemoryBound(to: Number.Stored.self)
        if tokens == HeadPages.tokensPerPage {
            storeWholePage(target, number)
        } else {
            for token in 0..<tokens { storeKey(token, target + (slot &+ token), number) }
        }
    }

    /// One token's keys: a page's tokens apart.
    @inline(__always)
    private func storeKey<Number: StoredNumber>(
        _ token: Int, _ target: UnsafeMutablePointer<Number.Stored>, _ number: Number.Type
    ) {
        withUnsafeTemporaryAllocation(of: Number.Stored.self, capacity: lane_count) { memory in
            let rounded = memory.baseAddress.unsafelyUnwrapped
            forEachVector(width) { column, lanes in
                let numbers = FloatVector.load(start + (token &* stride &+ column), lanes)
                Number.store(numbers, rounded, lanes)
                for lane in 0..<lanes {
                    target[(column &+ lane) &* HeadPages.tokensPerPage] = rounded[lane]
                }
            }
        }
    }

    /// The keys of 16 tokens, turned square by square.
    @inline(__always)
    private func storeWholePage<Number: StoredNumber>(
        _ target: UnsafeMutablePointer<Number.Stored>, _ number: Number.Type
    ) {
        let square = lane_count &* lane_count
        withUnsafeTemporaryAllocation(of: Float.self, capacity: square) { memory in
            let turned = memory.baseAddress.unsafelyUnwrapped
            for index in 0..<(HeadPages.tokensPerPage / lane_count) {
                let token = index &* lane_count
                forEachVector(width) { column, lanes in
                    transpose_floats(
                        start + (token &* stride &+ column), stride, lane_count, lanes, turned,
                        lane_count)
                    for lane in 0..<lanes {
                        let place = (column &+ lane) &* HeadPages.tokensPerPage &+ token
                        Number.store(
                            .load(turned + lane &* lane_count, lane_count), target + place,
                            lane_count)
                    }
                }
            }
        }
    }

    /// Stores values: `[16, width]`.
    @inline(__always)
    fileprivate func storeValues<Number: StoredNumber>(
        _ page: UnsafeMutableRawPointer, _ number: Number.Type
    ) {
        let target = page.assumingMemoryBound(to: Number.Stored.self)
        for token in 0..<tokens {
            let row = target + (slot &+ token) &* width
            forEachVector(width) { column, lanes in
                Number.store(
                    .load(start + (token &* stride &+ column), lanes), row + column, lanes)
            }
        }
    }

    /// Stores keys or values as bytes; `tokenStride` and `columnStride` place a block's bytes.
    @inline(__always)
    fileprivate func storeBytes(
        _ page: UnsafeMutableRawPointer, tokenStride: Int, columnStride: Int
    ) {
        for token in 0..<tokens {
            for block in 0..<(width / PageNumber.numbersPerScale) {
                let numbers = start + (token &* stride &+ block &* PageNumber.numbersPerScale)
                let target = page + block &* PageNumber.blockByteCount
                let place = slot &+ token
                let (factor, scale) = byteScale(numbers)
                target.assumingMemoryBound(to: UInt16.self)[place] = scale
                storeBlock(
                    numbers, factor, target + PageNumber.bytesOffset + place &* tokenStride,
                    columnStride)
            }
        }
    }

    /// What 32 numbers are multiplied by to become bytes, and their half-precision scale.
    @inline(__always)
    private func byteScale(_ numbers: UnsafePointer<Float>) -> (factor: Float, scale: UInt16) {
        var largest = IntVector(repeating: 0)
        for vector in 0..<(PageNumber.numbersPerScale / lane_count) {
            let bits = unsafeBitCast(
                FloatVector.load(numbers + vector &* lane_count, lane_count), to: IntVector.self)
            largest = larger_int(largest, bits & IntVector(repeating: 0x7FFF_FFFF))
        }
        let magnitude = Float(bitPattern: UInt32(bitPattern: int_max(largest)))
        // Numbers below 127 times the smallest half count as zero.
        guard magnitude >= 127 * 0x1p-24 else { return (0, 0) }
        // Beyond the largest half, and for NaN, the scale makes every number infinite or NaN.
        guard magnitude < 127 * 65504 else { return (0, magnitude.isNaN ? 0x7E00 : 0x7C00) }
        return (127 / magnitude, half_from_float(magnitude / 127))
    }

    @inline(__always)
    private func storeBlock(
        _ numbers: UnsafePointer<Float>, _ factor: Float, _ target: UnsafeMutableRawPointer,
        _ columnStride: Int
    ) {
        let bytes = target.assumingMemoryBound(to: Int8.self)
        for vector in 0..<(PageNumber.numbersPerScale / lane_count) {
            let first = vector &* lane_count
            // Adding 1.5 · 2²³ leaves the nearest integer in the low bits of the fraction.
            let shifted =
                FloatVector.load(numbers + first, lane_count) * .all(factor) + .all(12_582_912)
            let rounded = unsafeBitCast(shifted, to: IntVector.self)
            for lane in 0..<lane_count {
                bytes[(first &+ lane) &* columnStride] = Int8(truncatingIfNeeded: rounded[lane])
            }
        }
    }
}

/// How keys of new tokens go to pages.
func storeKeys(_ rows: PageRows, _ page: UnsafeMutableRawPointer, _ number: PageNumber) {
    switch number {
    case .half: rows.storeKeys(page, HalfNumber.self)
    case .float: rows.storeKeys(page, FloatNumber.self)
    case .byte:
        rows.storeBytes(page, tokenStride: 1, columnStride: HeadPages.tokensPerPage)
    }
}

/// How values of new tokens go to pages.
func storeValues(_ rows: PageRows, _ page: UnsafeMutableRawPointer, _ number: PageNumber) {
    switch number {
    case .half: rows.storeValues(page, HalfNumber.self)
    case .float: rows.storeValues(page, FloatNumber.self)
    case .byte:
        rows.storeBytes(page, tokenStride: PageNumber.numbersPerScale, columnStride: 1)
    }
}
